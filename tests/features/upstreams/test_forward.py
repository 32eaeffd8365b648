import random
import types

import numpy as np
import pytest
import torch
from features.random_models import save_hugging_face, save_whisper

from ambiser.config.schema import SpeechFeatures
from ambiser.errors import ConfigError, DataError
from ambiser.features.upstreams import forward as module
from ambiser.features.upstreams.forward import Upstream, largest_difference, untouched_generators
from ambiser.features.upstreams.upstream import load_upstream


def noise(samples, seed=0):
    return np.random.default_rng(seed).standard_normal(samples).astype(np.float32) * 0.1


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    return save_hugging_face("wavlm", "layer", tmp_path_factory.mktemp("wavlm"))


def load(folder, **options):
    return load_upstream(SpeechFeatures(upstream="huggingface", checkpoint=str(folder), **options))


@pytest.mark.parametrize("samples", [320000, 480123])
def test_long_audio_has_as_many_frames_as_in_one_piece(folder, samples):
    whole, chunked = load(folder, longest_s=600), load(folder, longest_s=10)
    assert chunked.is_long(160001) and not chunked.is_long(160000)
    wav = noise(samples)
    one, other = whole.extract(wav), chunked.extract(wav)
    assert {state.shape for state in one} == {state.shape for state in other} == {((samples - 400) // 320 + 1, 16)}
    # Attention hears less, but what is heard is the same place.
    for layer in (0, 2):
        assert np.corrcoef(one[layer].ravel(), other[layer].ravel())[0, 1] > 0.95
    assert np.abs(one[2] - other[2]).max() > 0


def test_a_recording_whose_frames_do_not_fit_the_memory_is_refused(folder, monkeypatch):
    upstream = load(folder, longest_s=10)
    monkeypatch.setattr(module.psutil, "virtual_memory", lambda: types.SimpleNamespace(available=10**6))
    with pytest.raises(DataError, match=r"1 minutes of audio need 0.0 GB .* 0.0 GB are free; cut the recording"):
        upstream.extract(noise(16000 * 60))


def test_layers_of_differing_widths_are_refused():
    class Cone(torch.nn.Module):
        def forward(self, wavs):
            return {"hidden_states": [torch.ones(1, 5, 3), torch.ones(1, 5, 4)]}

    with pytest.raises(ConfigError, match=r"the layers of cone differ in width: \[3, 4\]"):
        Upstream("cone", Cone(), SpeechFeatures(), "cpu")


def test_precision_comes_back_after_a_fault(folder):
    upstream = load(folder, precision="bfloat16")
    with pytest.raises(KeyError), upstream.in_float32():
        assert upstream.precision == "float32"
        raise KeyError
    assert upstream.precision == "bfloat16"


def test_whisper_gives_its_encoders_states_without_the_padding(tmp_path):
    from transformers import WhisperFeatureExtractor, WhisperModel

    torch.manual_seed(0)
    upstream = load(save_whisper(tmp_path), batch_s=10)
    assert upstream.manner.startswith("in batches") and upstream.layers == 3
    encoder = WhisperModel.from_pretrained(tmp_path).eval().get_encoder()
    extractor = WhisperFeatureExtractor.from_pretrained(tmp_path)
    wavs = [noise(16000), noise(40123)]
    for wav, hidden in zip(wavs, upstream.extract_batch(wavs), strict=True):
        inputs = extractor(wav, sampling_rate=16000, return_tensors="pt").input_features
        with torch.inference_mode():
            reference = encoder(inputs, output_hidden_states=True).hidden_states
        frames = int(np.ceil(len(wav) // 160 / 2))
        for ours, theirs in zip(hidden, reference, strict=True):
            np.testing.assert_allclose(ours, theirs[0, :frames].numpy(), atol=1e-5)
    # It hears 30 seconds at once, whatever longest_s says.
    assert len(upstream.extract(noise(16000 * 61))[0]) == 61 * 50


def test_the_largest_difference_is_over_all_layers():
    some = [[np.array([[1.0, 10.0]]), np.array([[0.5]])]]
    assert largest_difference(some, some) == 0
    assert largest_difference(some, [[np.array([[1.0, 8.0]]), np.array([[0.5]])]]) == 0.25
    assert largest_difference(some, [[np.array([[1.0, 10.0]]), np.array([[0.25]])]]) == 0.25
    assert largest_difference(some, [[np.zeros((2, 2)), np.array([[0.5]])]]) == float("inf")


def test_generators_come_back_after_a_fault():
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    with pytest.raises(KeyError), untouched_generators():
        torch.rand(1), np.random.rand(), random.random()
        raise KeyError
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])
    assert random.getstate() == before[2]
