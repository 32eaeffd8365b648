"""Packed models with fine-tuned encoders predict what stage 7 predicts."""

import numpy as np
import pytest
import torch
from inference.conftest import CLASSES, make_config, make_experiment, make_tone

from ambiser.errors import ConfigError
from ambiser.features.upstreams.finetune import NO_TOKEN
from ambiser.features.upstreams.text_encoders import tokenize
from ambiser.inference.model import load_model
from ambiser.inference.packing import PackOptions, pack
from ambiser.io.audio import read_audio
from ambiser.train.build import TASKS
from ambiser.train.checkpoint import load_best
from ambiser.train.part import Part, Shapes
from ambiser.train.waveforms import Change, Waveforms

WORDS = ["so happy", "", "i am sad"]


@pytest.fixture
def finetuned(speech_folders, text_folder):
    """A function that returns a configuration with fine-tuned encoders of 16 values per layer."""

    def make(**sections):
        speech = {"upstream": "hf_wav2vec2_custom", "checkpoint": str(speech_folders["wav2vec2"])}
        small = {"hidden": 8, "projection": 6, "encoder": "finetune"}
        return make_config(
            speech_features=speech, text_features={"encoder": "huggingface", "model": str(text_folder)},
            **{"model": small, **sections},
        )  # fmt: skip

    return make


def stage_7(exp, config, files, folds):
    """Returns the mean of the folds as stage 7 predicts, from files and words."""
    stage, n, change = config.stages[-1], len(files), Change(0.1)
    text, text_dim = None, 0
    if config.needs_text():
        rows, text_dim = tokenize(WORDS, config.text_features)
        tokens = [torch.tensor(row, dtype=torch.long) for row in rows]
        text = torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True, padding_value=NO_TOKEN)
    part = Part(
        [f"u{i}" for i in range(n)], Waveforms(files, change, change), text,
        torch.full((n, 4), 0.25), torch.zeros(n, 4), torch.full((n,), -1), torch.full((n,), 2),
    )  # fmt: skip
    probs = []
    for fold in folds:
        tensors, _ = load_best(exp / f"fold{fold}" / stage / "best.safetensors")
        probs.append(TASKS[stage].predict(config, tensors, part, Shapes(0, 0, text_dim, CLASSES), 0).probs)
    return torch.stack(probs).mean(dim=0).numpy()


@pytest.mark.parametrize("kind", ["ipr", "amber", "bfloat16"])
def test_predictions_are_those_of_stage_7(finetuned, tmp_path, kind):
    both = {"hidden": 8, "projection": 6, "encoder": "finetune", "text_encoder": "finetune"}
    config = {
        "ipr": lambda: finetuned(stages=["prototypes"], ipr={"predict_by": "prototypes"}),
        "amber": lambda: finetuned(model=both, amber={"student": "AT"}),
        "bfloat16": lambda: finetuned(finetune={"precision": "bfloat16"}),
    }[kind]()
    folds = (1, 2) if kind == "amber" else (1,)
    exp = make_experiment(tmp_path, config, folds=folds, layers=0, dim=0, text_dim=16)
    pack([exp], tmp_path / "m", PackOptions(name="m"))
    # The longest is longer than training would crop it to.
    files = [make_tone(tmp_path / f"{n}.wav", seconds=0.2 + 0.3 * n, hz=200 * (n + 1)) for n in range(3)]
    model = load_model(tmp_path / "m", upstream=config.speech_features.checkpoint,
                       text_upstream=config.text_features.model)  # fmt: skip
    made = [model.predict(read_audio(file), 16000, words) for file, words in zip(files, WORDS, strict=True)]
    found = [list(one.distribution.values()) for one in made]
    np.testing.assert_allclose(found, stage_7(exp, config, files, folds), atol=1e-6)
    assert np.std(found, axis=0).max() > 1e-4, "the input is read"


def test_the_weights_are_the_trained_ones_and_the_card_says_so(finetuned, speech_folders, tmp_path):
    config = finetuned()
    pack([make_experiment(tmp_path, config, layers=0, dim=0)], tmp_path / "m", PackOptions(name="m"))
    tensors, _ = load_best(tmp_path / "m" / "members" / "s1_fold1.safetensors")
    assert any("front.model" in name for name in tensors)
    assert "`members/` includes fine-tuned weights of wav2vec2" in (tmp_path / "m" / "README.md").read_text()
    other = load_model(tmp_path / "m", upstream=speech_folders["hubert"])
    with pytest.raises(ConfigError, match="--upstream"):
        other.predict(np.ones(8000, np.float32), 16000)


def test_heads_of_fine_tuned_encoders_are_not_exported_and_frozen_ones_not_mixed_in(finetuned, tmp_path):
    exp = make_experiment(tmp_path, finetuned(), layers=0, dim=0)
    pytest.importorskip("onnx", reason="onnx is not installed: --onnx was not tried")
    with pytest.raises(ConfigError, match="--onnx: the model has a fine-tuned encoder; .*; leave out --onnx"):
        pack([exp], tmp_path / "m", PackOptions(name="m", onnx=True))
    frozen = make_experiment(tmp_path, finetuned(model={"hidden": 8, "projection": 6}), seed=2, dim=32)
    with pytest.raises(ConfigError, match="fine-tunes other encoders than .*; pack them separately"):
        pack([exp, frozen], tmp_path / "m", PackOptions(name="m"))
    assert not (tmp_path / "m").exists()
