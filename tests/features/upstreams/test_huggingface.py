import json
import shutil

import numpy as np
import pytest
import requests
import torch
from features.random_models import HUGGING_FACE, NORMS, save_hugging_face, save_whisper
from features.upstreams.test_upstream import lose_a_weight

from ambiser.config.schema import SpeechFeatures
from ambiser.errors import ConfigError
from ambiser.features.upstreams.upstream import load_upstream


def load(checkpoint):
    return load_upstream(SpeechFeatures(upstream="huggingface", checkpoint=str(checkpoint)))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("kind", HUGGING_FACE)
def test_states_are_those_of_transformers(kind, norm, tmp_path):
    from transformers import AutoModel

    torch.manual_seed(2)
    save_hugging_face(kind, norm, tmp_path)
    model = AutoModel.from_pretrained(tmp_path).eval()
    wav = np.random.default_rng(0).standard_normal(16079).astype(np.float32) * 0.1
    normal = (wav - wav.mean()) / np.sqrt(wav.var() + 1e-7) if norm == "layer" else wav
    with torch.inference_mode():
        reference = model(torch.from_numpy(normal)[None], output_hidden_states=True).hidden_states
    hidden = load(tmp_path).extract(wav)
    assert len(hidden) == 3
    for ours, theirs in zip(hidden, reference, strict=True):
        np.testing.assert_allclose(ours, theirs[0].numpy(), atol=1e-5)


def test_the_model_type_of_the_folder_selects_the_class(tmp_path):
    """A WavLM that is loaded as wav2vec 2.0 lacks its relative positions, and no error says so."""
    from transformers import Wav2Vec2Model

    save_hugging_face("wavlm", "group", tmp_path)
    upstream = load(tmp_path)
    assert type(upstream.model.model).__name__ == "WavLMModel"
    wav = np.random.default_rng(0).standard_normal(16000).astype(np.float32)
    with torch.inference_mode():
        wrong = Wav2Vec2Model.from_pretrained(tmp_path).eval()(torch.from_numpy(wav)[None]).last_hidden_state
    assert np.abs(upstream.extract(wav)[-1] - wrong[0].numpy()).max() > 1e-3


@pytest.fixture
def faulty(tmp_path):
    """A function that writes a folder and lets a change spoil it."""

    def make(change):
        save_hugging_face("hubert", "group", tmp_path)
        change(tmp_path)
        return tmp_path

    return make


def set_json(name, **values):
    def change(folder):
        path = folder / name
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), "not a Hugging Face folder; it has no config.json"),
        (lambda folder: (folder / "preprocessor_config.json").unlink(), "has no feature extractor"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"no weights"), "cannot be loaded"),
        (
            set_json("config.json", model_type="bert"),
            "holds a bert model; supported: wav2vec2, hubert, wavlm, data2vec",
        ),
        (
            set_json("preprocessor_config.json", sampling_rate=8000),
            "needs audio at 8000 Hz, ambiser reads all audio at 16000 Hz",
        ),
        (lambda folder: lose_a_weight(folder, "encoder.layer_norm.weight"), "lacks 1 weights .* encoder.layer_norm"),
    ],
)
def test_faulty_folders_are_one_line(faulty, change, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load(faulty(change))
    assert "\n" not in str(caught.value) and "speech_features.checkpoint: " in str(caught.value)


def test_a_name_that_is_not_cached_and_cannot_be_fetched_is_one_line(monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("no route to host\nand more")

    monkeypatch.setattr("ambiser.features.upstreams.huggingface.reach_hub", lambda name: None)
    monkeypatch.setattr("transformers.AutoConfig.from_pretrained", refuse)
    message = (
        r"no/such is not a folder, not in the cache of Hugging Face, and cannot be downloaded \(no route to host\)"
    )
    with pytest.raises(ConfigError, match=message) as caught:
        load("no/such")
    assert "\n" not in str(caught.value)


def test_a_hub_that_cannot_be_reached_is_one_line_at_once(monkeypatch):
    def refuse(*args, **kwargs):
        raise requests.ConnectionError("Max retries exceeded")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("requests.head", refuse)
    with pytest.raises(ConfigError, match=r"cannot be downloaded \(https://\S+ cannot be reached; connect"):
        load("no/such")


def test_a_whisper_without_its_decoder_loads(tmp_path):
    from safetensors.torch import load_file, save_file

    whole = save_whisper(tmp_path / "whole")
    part = shutil.copytree(whole, tmp_path / "part")
    weights = load_file(part / "model.safetensors")
    kept = {name: weight for name, weight in weights.items() if name.startswith("encoder.")}
    assert len(kept) < len(weights)
    save_file(kept, part / "model.safetensors", metadata={"format": "pt"})
    wav = np.random.default_rng(0).standard_normal(16000).astype(np.float32)
    np.testing.assert_array_equal(load(whole).extract(wav)[-1], load(part).extract(wav)[-1])
