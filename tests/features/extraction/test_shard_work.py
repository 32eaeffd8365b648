import re

import numpy as np
import pytest
import soundfile
import torch
from features.random_models import save_hugging_face

from ambiser.config.schema import SpeechFeatures
from ambiser.errors import DataError
from ambiser.features.extraction import forecast, shards
from ambiser.features.extraction.shard_work import Event, extract_shard
from ambiser.features.extraction.shards import Shard
from ambiser.features.extraction.speech import describe_speech, extract_speech
from ambiser.features.extraction.stored import load_frames, load_pooled
from ambiser.features.upstreams.pooling import pool_on_device, reduce_hidden_states
from ambiser.io.console import log


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    return save_hugging_face("hubert", "group", tmp_path_factory.mktemp("hubert"))


@pytest.fixture(scope="module")
def wavs(tmp_path_factory):
    """Thirty utterances, one too short for any model, one of 23 s, one in stereo and one at 22,050 Hz."""
    place = tmp_path_factory.mktemp("wavs")
    generator = np.random.default_rng(0)
    sizes = {f"utt{n:02d}": (int(generator.integers(2000, 40000)), 16000, 1) for n in range(30)}
    sizes |= {"short": (99, 16000, 1), "long": (370000, 16000, 1), "two": (9000, 16000, 2), "fast": (30000, 22050, 1)}
    for utt, (samples, rate, channels) in sizes.items():
        soundfile.write(place / f"{utt}.wav", 0.1 * generator.standard_normal((samples, channels)), rate)
    return {utt: str(place / f"{utt}.wav") for utt in sizes}


@pytest.fixture
def logged(caplog, monkeypatch):
    monkeypatch.setattr(log, "propagate", True)
    caplog.set_level("INFO", "ambiser")
    return caplog


def extract(wavs, folder, target, *, nj=1, **options):
    speech = SpeechFeatures(upstream="huggingface", checkpoint=str(folder), longest_s=10, **options)
    durations = {utt: soundfile.info(wav).duration for utt, wav in wavs.items()}
    extract_speech(wavs, durations, speech, folder=target, nj=nj)
    return target / "feats.scp"


def test_batches_give_the_features_of_one_utterance_at_a_time(wavs, folder, tmp_path, logged, no_workers):
    utts = sorted(wavs)
    alone = load_frames(extract(wavs, folder, tmp_path / "alone", form="frames"), utts)
    assert "one utterance at a time, in float32" in logged.messages
    batched = load_frames(extract(wavs, folder, tmp_path / "batched", form="frames", batch_s=6), utts)
    assert any(
        re.fullmatch(r"in batches of 6 s \(largest difference \S+\), in float32", line) for line in logged.messages
    )
    for utt, one, other in zip(utts, alone, batched, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4, err_msg=utt)
    assert len(alone[utts.index("long")]) == (370000 - 400) // 320 + 1
    for note in (
        "1 averaged over their channels",
        "1 longer than 10 s and cut into overlapping chunks",
        "1 resampled to 16000 Hz",
        "1 too short for the model and padded with zeros",
    ):
        assert all(note in line for line in logged.messages if "features of 34 utterances" in line), note


def test_the_bytes_do_not_depend_on_the_number_of_workers(wavs, folder, tmp_path, monkeypatch, request, forked_workers):
    monkeypatch.setattr(shards, "SHARD_UTTERANCES", 20)
    monkeypatch.setattr(forecast, "SHORT_S", 0)
    extract(wavs, folder, tmp_path / "two", nj=2, batch_s=6)
    request.getfixturevalue("no_workers")
    extract(wavs, folder, tmp_path / "none", batch_s=6)
    arks = sorted((tmp_path / "none").glob("*.ark"))
    assert len(arks) == 2
    for one in arks:
        assert one.read_bytes() == (tmp_path / "two" / one.name).read_bytes()


def test_the_log_has_the_time_and_the_cosine_of_bfloat16(wavs, folder, tmp_path, logged, no_workers):
    utts = sorted(wavs)
    half = load_pooled(extract(wavs, folder, tmp_path / "half", precision="bfloat16"), utts)
    full = load_pooled(extract(wavs, folder, tmp_path / "full"), utts)
    assert np.abs(half - full).max() > 0
    (said,) = [line for line in logged.messages if "bfloat16" in line]
    cosine = float(re.search(r"cosine of utterance means with float32: at least (\S+)", said)[1])
    assert 0.99 < cosine < 1
    first = next(line for line in logged.messages if "34 utterances" in line and "of disk" in line)
    assert re.search(r"; takes about \d+ s \(\d+ times real time\)", first), first


def test_batching_does_not_change_the_record():
    assert describe_speech(SpeechFeatures(batch_s=6)) == describe_speech(SpeechFeatures())
    assert describe_speech(SpeechFeatures(precision="bfloat16")) != describe_speech(SpeechFeatures())


class Picky:
    """Takes batches of any size, but not of audio of 500 samples."""

    minimum_samples, batch_samples, longest_samples, device = 1, 10**6, 0, "cpu"

    def __init__(self):
        self.calls = []

    def extract_batch(self, wavs):
        self.calls.append([len(wav) for wav in wavs])
        if 500 in self.calls[-1]:
            raise DataError("not this one")
        return [[np.full((2, 3), len(wav), np.float32)] for wav in wavs]

    def is_short(self, samples):
        return False

    is_long = is_short


def test_a_fault_in_a_batch_is_assigned_to_its_utterance(tmp_path):
    sources = {}
    for utt, samples in {"a": 300, "bad": 500, "c": 400}.items():
        sources[utt] = tmp_path / f"{utt}.wav"
        soundfile.write(sources[utt], np.random.default_rng(0).uniform(-0.1, 0.1, samples), 16000)
    sources["none"] = tmp_path / "none.wav"
    upstream, shard = Picky(), Shard(1, sources, "settings")
    events = list(extract_shard(shard, upstream, SpeechFeatures(), tmp_path))
    faults = {event.utt: event.fault for event in events if isinstance(event, Event)}
    assert upstream.calls == [[500, 400, 300], [500], [400], [300]]
    assert faults == {
        "a": "",
        "c": "",
        "bad": f"{sources['bad']}: not this one",
        "none": f"{sources['none']}: is missing",
    }
    assert not any(event.finished for event in events if isinstance(event, Event))
    (tmp_path / "none.wav").write_bytes(sources["a"].read_bytes())
    upstream.extract_batch = lambda wavs: [[np.ones((2, 3), np.float32)] for _ in wavs]
    events = list(extract_shard(shard, upstream, SpeechFeatures(), tmp_path))
    assert [event.finished for event in events if isinstance(event, Event)] == [None, None, None, shard]


@pytest.mark.parametrize("statistics", ["mean", "mean_std"])
def test_pooling_on_the_device_equals_pooling_in_numpy(statistics):
    hidden = [np.random.default_rng(n).standard_normal((57, 5)).astype(np.float32) for n in range(3)]
    speech = SpeechFeatures(statistics=statistics)
    pooled = pool_on_device([torch.from_numpy(states) for states in hidden], speech)
    assert pooled.dtype == np.float32
    np.testing.assert_allclose(pooled, reduce_hidden_states(hidden, speech), rtol=1e-6)
