import shutil
import sys

import numpy as np
import pytest
import torch
from features.random_models import features, noise

from ambiser.features.upstreams.huggingface import load_hugging_face
from ambiser.features.upstreams.upstream import load_upstream
from ambiser.features.upstreams.whisper_encoder import mel_filters, read_whisper, take_encoder

SECOND = 16000


@pytest.mark.parametrize("samples", [400, 7000, 40123])
def test_features_are_those_of_transformers_bit_by_bit(folder, samples):
    from transformers import WhisperFeatureExtractor, WhisperModel

    extractor, model = WhisperFeatureExtractor.from_pretrained(folder), WhisperModel.from_pretrained(folder).eval()
    wav = noise(samples)
    mel = extractor(wav, sampling_rate=SECOND, return_tensors="pt").input_features
    encoder, log_mel = read_whisper(folder)
    assert torch.equal(log_mel([wav], 30 * SECOND), mel)
    with torch.inference_mode():
        theirs = model.get_encoder()(mel, output_hidden_states=True).hidden_states
        for own in (encoder, take_encoder(model, extractor)[0]):
            assert all(torch.equal(one, other) for one, other in zip(own(mel), theirs, strict=True))


def test_mel_filters_are_those_of_transformers():
    from transformers.audio_utils import mel_filter_bank

    for mels in (80, 128):
        scale = {"norm": "slaney", "mel_scale": "slaney"}
        theirs = mel_filter_bank(201, mels, min_frequency=0.0, max_frequency=8000.0, sampling_rate=SECOND, **scale)
        np.testing.assert_array_equal(mel_filters(201, mels), theirs)


def test_weights_in_other_files_give_the_same_features(folder, tmp_path):
    from transformers import WhisperModel

    shutil.copytree(folder, tmp_path / "other")
    (tmp_path / "other" / "model.safetensors").unlink()
    torch.save(WhisperModel.from_pretrained(folder).state_dict(), tmp_path / "other" / "pytorch_model.bin")
    assert read_whisper(tmp_path / "other") is None
    wav, other = noise(7000), features(tmp_path / "other", window=1)
    for one, two in zip(
        load_upstream(features(folder, window=1)).extract(wav), load_upstream(other).extract(wav), strict=True
    ):
        np.testing.assert_array_equal(one, two)


def test_loading_a_whisper_imports_neither_transformers_nor_the_compiler_of_torch(folder, monkeypatch):
    for name in ("transformers", "torch._dynamo"):  # seconds of a cold start
        monkeypatch.setitem(sys.modules, name, None)
    assert len(load_hugging_face(str(folder))([torch.zeros(7000)])["hidden_states"]) == 3


def test_bfloat16_computes_the_spectrogram_in_float32(folder):
    wav = noise(7000)
    exact, rough = (
        load_upstream(features(folder, window=1, precision=precision)).extract(wav)
        for precision in ("float32", "bfloat16")
    )
    for one, other in zip(rough, exact, strict=True):
        assert np.abs(one - other).max() < 0.03 * np.abs(other).max()
