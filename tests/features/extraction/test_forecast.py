from pathlib import Path

import numpy as np
import pytest

from ambiser.config.schema import SpeechFeatures
from ambiser.features.extraction.forecast import Forecast, choose_trial
from ambiser.features.extraction.shard_work import Facts
from ambiser.features.extraction.shards import Shard
from ambiser.io.console import log


def shard(lengths):
    return Shard(1, {utt: Path(f"{utt}.wav") for utt in lengths}, "")


def test_a_trial_is_spread_over_the_lengths():
    generator = np.random.default_rng(0)
    lengths = {f"u{n}": float(length) for n, length in enumerate(generator.uniform(1, 15, 1000))}
    for on_gpu, count in ((False, 5), (True, 64)):
        trial = choose_trial([shard(lengths)], lengths, on_gpu=on_gpu)
        tried = [lengths[path.stem] for path in trial]
        assert len(tried) == count == len(set(trial))
        assert np.mean(tried) == pytest.approx(np.mean(list(lengths.values())), rel=0.02)
    assert choose_trial([shard({"a": 1, "b": 2})], {"a": 1, "b": 2}, on_gpu=False) == []
    assert choose_trial([shard(lengths)], {}, on_gpu=False) == []


@pytest.mark.parametrize(
    ("speed", "device", "processes", "words"),
    [
        (10.0, "cpu", 1, "takes about 1.0 h (10 times real time)"),
        (10.0, "cpu", 2, "takes about 30.0 min (20 times real time)"),
        (4000.0, "cpu", 2, "takes about 9 s (4000 times real time)"),
        (3000.0, "cpu", 2, "takes about 6 s (6000 times real time)"),
        (1000.0, "cuda", 2, "takes about 36 s (1000 times real time)"),
    ],
)
def test_the_time_is_estimated_first(speed, device, processes, words, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(log, "propagate", True)
    lengths = {f"u{n}": 36.0 for n in range(1000)}
    half = Shard(2, dict(list(shard(lengths).sources.items())[:500]), "")
    rest = Shard(3, dict(list(shard(lengths).sources.items())[500:]), "")
    tell = Forecast([half, rest], lengths, SpeechFeatures(), tmp_path, kept=0, processes=processes)
    with caplog.at_level("INFO", "ambiser"):
        workers = tell(Facts(13, 768, 50.0, device, "one utterance at a time", speed))
    assert "1000 utterances, 10.0 h; needs 40.0 MB of disk, " in caplog.messages[0]
    assert caplog.messages[0].endswith(f"; {words}")
    assert workers == (1 if device == "cuda" or speed == 4000 else processes), "none is started for 9 s of work"
    assert caplog.messages[1] == "one utterance at a time, in float32"
