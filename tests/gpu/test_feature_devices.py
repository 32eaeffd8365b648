"""Features of speech and text on a pretended GPU equal those of the CPU."""

from pathlib import Path

import numpy as np
import pytest
from features.conftest import make_wavs
from gpu.pretended import pretended_gpu

from ambiser.config import Config
from ambiser.config.schema import SpeechFeatures, TextFeatures
from ambiser.features.extraction import shard_work, text
from ambiser.features.upstreams.device import find_device
from ambiser.features.upstreams.text_encoders import ENCODERS
from ambiser.features.upstreams.upstream import load_upstream
from ambiser.inference.features import FeatureMaker
from ambiser.inference.model_folder import Encoder
from ambiser.io.audio import read_audio

FORMS = [
    {"form": "pooled"},
    {"form": "pooled", "statistics": "mean_std", "prosody": True},
    {"form": "frames", "layer": 1},
    {"form": "frames", "layer_weights": [1, 2, 1]},
    {"form": "frames_all"},
]


def _matrices(speech: SpeechFeatures, wavs: list[np.ndarray]) -> list[np.ndarray]:
    upstream = load_upstream(speech, find_device())
    batches = [wavs[:3], wavs[3:]] if upstream.batch_samples else [[wav] for wav in wavs]
    return [matrix for batch in batches for matrix in shard_work.feature_matrices(batch, upstream, speech)]


@pytest.mark.parametrize("fields", FORMS, ids=str)
def test_speech_features(fields, speech_folders, tmp_path, monkeypatch):
    wavs = [read_audio(path) for path in make_wavs(tmp_path, [9000, 4000, 7000, 20000]).values()]
    speech = SpeechFeatures(upstream="huggingface", checkpoint=str(speech_folders["wavlm"]), **fields)
    expected = _matrices(speech, wavs)
    with pretended_gpu(monkeypatch):
        assert find_device() == "cuda"
        found = _matrices(speech, wavs)
    for one, other in zip(found, expected, strict=True):
        assert isinstance(one, np.ndarray) and np.allclose(one, other, atol=1e-4)


def test_a_worker_of_stage_2_writes_from_the_gpu(speech_folders, tmp_path, monkeypatch):
    wavs = make_wavs(tmp_path, [9000, 4000])
    speech = SpeechFeatures(upstream="hf_wav2vec2_custom", checkpoint=str(speech_folders["wav2vec2"]))
    with pretended_gpu(monkeypatch):
        _, facts = shard_work.make_worker((speech, tmp_path, [Path(wav) for wav in wavs.values()]))
    assert facts.device == "cuda" and "batches of 120 s" in facts.manner and facts.speed > 0


@pytest.mark.parametrize("fields", [{}, {"pooling": "cls"}, {"form": "tokens"}], ids=str)
def test_text_features(fields, text_folder, tmp_path, monkeypatch):
    settings = TextFeatures(encoder="huggingface", model=str(text_folder), **fields)
    expected = ENCODERS["huggingface"](settings)[0]("so happy")
    with pretended_gpu(monkeypatch):
        found = ENCODERS["huggingface"](settings)[0]("so happy")
        assert text._make_worker((settings, tmp_path))[1], "one worker for the GPU"
    assert np.allclose(found, expected, atol=1e-5)


def test_features_of_predictions(speech_folders, tmp_path, monkeypatch):
    speech = SpeechFeatures(upstream="huggingface", checkpoint=str(speech_folders["hubert"]))
    (path,) = make_wavs(tmp_path, [9000]).values()
    made = []
    for place in ("cpu", "gpu"):
        with pretended_gpu(monkeypatch) if place == "gpu" else monkeypatch.context():
            maker = FeatureMaker(Config(speech_features=speech), encoders=(Encoder("hubert", ""), None))
            made.append(maker.speech(read_audio(path)))
    assert np.allclose(*made, atol=1e-4)
