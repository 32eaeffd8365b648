"""What a GPU computes, compared with the CPU; run by `tools/test.sh tests/gpu` where there is one."""

import subprocess

import numpy as np
import pytest
import torch
from features.conftest import make_wavs
from gpu.kinds import KINDS, TRAINED_ENCODERS, run_kind, run_trained_encoders
from gpu.test_kinds import assert_close

from ambiser.config.schema import SpeechFeatures
from ambiser.features.extraction.shard_work import feature_matrices
from ambiser.features.upstreams.upstream import load_upstream
from ambiser.io.audio import read_audio
from ambiser.train.device import prepare_torch

if not torch.cuda.is_available():
    pytest.skip("torch finds no GPU", allow_module_level=True)


@pytest.fixture(autouse=True)
def deterministic():
    """Sets torch up as a training does, and back."""
    prepare_torch("cuda", 1)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_model_trains_as_on_the_cpu_and_twice_the_same(kind, tmp_path):
    """Dropout draws other numbers on a GPU, so there is none."""
    tree = KINDS[kind]
    if "mc_dropout" in str(tree) or "modality_dropout" in str(tree):
        pytest.skip("draws on the device")
    tree = {**tree, "model": {**tree.get("model", {}), "dropout": 0.0}}
    one, other, cpu = (
        run_kind(tree, tmp_path / name, device) for name, device in (("a", "cuda"), ("b", "cuda"), ("c", "cpu"))
    )
    for name, value in one.items():
        assert torch.equal(value, other[name]), f"{name} differs between two runs"
    assert_close({"probs": one["probs"]}, {"probs": cpu["probs"]}, 1e-2)


@pytest.mark.parametrize("kind", TRAINED_ENCODERS)
def test_encoders_train_twice_the_same(kind, speech_folders, text_folder, tmp_path):
    models = speech_folders["wav2vec2"], text_folder
    one, other = (run_trained_encoders(TRAINED_ENCODERS[kind], models, tmp_path / n, "cuda") for n in "ab")
    assert all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize("form", ["pooled", "frames"])
@pytest.mark.parametrize("kind", ["wav2vec2", "hubert", "wavlm"])
def test_speech_features_are_those_of_the_cpu(kind, form, speech_folders, tmp_path):
    wavs = [read_audio(path) for path in make_wavs(tmp_path, [9000, 4000, 20000]).values()]
    speech = SpeechFeatures(upstream="huggingface", checkpoint=str(speech_folders[kind]), form=form)
    made = [feature_matrices(wavs, load_upstream(speech, device), speech) for device in ("cuda", "cuda", "cpu")]
    for one, other, cpu in zip(*made, strict=True):
        assert np.array_equal(one, other) and np.allclose(one, cpu, atol=1e-3)


def test_a_recipe_runs_on_the_gpu(root, environment, tmp_path):
    """Trains two experiments on mini; `train.device` is auto, so the log names the GPU."""
    words = ["--config", "ce ipr", "--folds", "1", "--stop_stage", "7", "--set", "prototypes.epochs=2 distill.epochs=2"]
    folders = [w for name in ("data", "dump", "exp") for w in (f"--{name}_dir", str(tmp_path / name))]
    command = [str(root / "egs/mini/run.sh"), *words, *folders]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    logs = "".join(path.read_text() for path in (tmp_path / "exp").rglob("*.log"))
    assert "on cuda" in logs
