from pathlib import Path

import pytest
import soundfile
import torch
from features.conftest import make_wavs
from features.random_models import save_recognizer

from ambiser.errors import DataError
from ambiser.features.extraction import shards, transcripts
from ambiser.features.extraction.transcripts import RecognizerSettings, transcribe_corpus
from ambiser.features.upstreams.recognizer import Recognizer
from ambiser.io.audio import read_audio
from ambiser.io.tables import read_table


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    return save_recognizer(tmp_path_factory.mktemp("whisper"))


@pytest.fixture
def settings(folder):
    return RecognizerSettings(str(folder), 1, "en")


def test_a_resumed_run_keeps_finished_parts(settings, tmp_path, monkeypatch, no_workers):
    monkeypatch.setattr(shards, "SHARD_UTTERANCES", 2)
    wavs = make_wavs(tmp_path / "wavs", [9000, 8000, 7000, 20000, 6000, 5000])
    output, whole = tmp_path / "heard", Recognizer(settings.model, 1, "en")
    expected = {utt: whole.transcribe([read_audio(path)])[0] for utt, path in wavs.items()}
    last = shards.plan_shards({utt: Path(path) for utt, path in wavs.items()}, "")[-1]
    broken = min(last.sources)
    content = last.sources[broken].read_bytes()
    last.sources[broken].write_bytes(content[:999])
    with pytest.raises(DataError, match="truncated"):
        transcribe_corpus(wavs, settings, output=output)
    assert not output.exists()
    kept = {path.name for path in (tmp_path / "heard.parts").iterdir()}
    last.sources[broken].write_bytes(content)
    heard = []
    monkeypatch.setattr(transcripts, "read_audio", lambda path: heard.append(path.stem) or read_audio(path))
    transcribe_corpus(wavs, settings, output=output)
    assert kept and broken in heard and len(heard) < len(wavs)
    assert read_table(output, allow_empty_value=True) == expected
    assert not (tmp_path / "heard.parts").exists()


def test_other_settings_and_other_audio_reuse_no_part(settings, tmp_path):
    wavs = make_wavs(tmp_path / "wavs", [9000, 8000])
    names = []
    for text in ("a", "b", "b"):
        (shard,) = shards.plan_shards({utt: tmp_path / "wavs" / f"{utt}.wav" for utt in wavs}, text)
        names.append(transcripts._part_name(shard))
        soundfile.write(wavs["utt000"], [0.1] * (100 + len(names)), 16000)
    assert len(set(names)) == 3
    assert settings.describe() != RecognizerSettings(settings.model, 30, "en").describe()


def test_missing_audio_and_no_utterances_are_one_line(settings, tmp_path):
    with pytest.raises(DataError, match="no utterances to transcribe; run stage 1 again"):
        transcribe_corpus({}, settings, output=tmp_path / "heard")
    with pytest.raises(DataError, match="no.wav: cannot be read: No such file"):
        transcribe_corpus({"a": str(tmp_path / "no.wav")}, settings, output=tmp_path / "heard")
