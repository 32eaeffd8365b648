"""Utterances as parts of recordings (segments) and as one of several channels."""

import numpy as np
import pytest
import soundfile

from ambiser.config.data_keys import Data
from ambiser.corpora.data_folder import prepare_data
from ambiser.corpora.kaldi import read_kaldi
from ambiser.errors import DataError
from ambiser.io.layout import Layout
from ambiser.io.tables import read_table

DATA = Data(corpus="kaldi", protocol="random", folds=3)
RATE_HZ = 8000


@pytest.fixture
def folder(tmp_path):
    """Two recordings of 3 s in two channels, and three segments by two speakers."""
    made = tmp_path / "corpus"
    made.mkdir()
    rng = np.random.default_rng(0)
    for name in "xy":
        samples = rng.integers(-(2**15), 2**15, (3 * RATE_HZ, 2)).astype(np.int16)
        soundfile.write(made / f"{name}.flac", samples, RATE_HZ, subtype="PCM_16")
    (made / "wav.scp").write_text("x x.flac\ny y.flac\n")
    (made / "segments").write_text("u1 x 0.5 1.25\nu2 x 2 3.2\nu3 y 1 -1\n")
    (made / "utt2spk").write_text("u1 s1\nu2 s1\nu3 s2\n")
    (made / "votes.tsv").write_text("utt\trater\tlabel\nu1\tr1\tneu\nu2\tr1\tsad\nu3\tr2\tneu\n")
    return made


def prepare(folder):
    layout = Layout(folder.parent / "data", folder, folder)
    return prepare_data(folder, DATA, layout), layout


def test_segments_are_cut_to_the_sample(folder):
    record, layout = prepare(folder)
    wavs, recording = read_table(layout.table("wav.scp")), soundfile.read(folder / "x.flac", dtype="int16")[0]
    samples, rate_hz = soundfile.read(wavs["u1"], dtype="int16")
    assert rate_hz == RATE_HZ and samples.tolist() == recording[4000:10000].tolist()
    assert soundfile.info(wavs["u2"]).frames == RATE_HZ and soundfile.info(wavs["u3"]).frames == 2 * RATE_HZ
    assert record.duration_s == 0.75 + 1 + 2
    assert read_table(layout.table("utt2rec")) == {"u1": "x", "u2": "x", "u3": "y"}
    assert record.warnings["segments that end after their recording (shortened)"] == 1
    assert prepare(folder)[0] == record, "nothing to do"


def test_the_header_of_a_recording_is_read_once(folder, monkeypatch):
    read, info = [], soundfile.info
    monkeypatch.setattr(soundfile, "info", lambda path: read.append(path) or info(path))
    prepare(folder)
    assert sorted(path for path in read if path.endswith(".flac")) == [str(folder / f"{name}.flac") for name in "xy"]


@pytest.mark.parametrize("name", ["reco2channel", "reco2file_and_channel"])
def test_one_channel_is_chosen(folder, name):
    (folder / name).write_text("x 2\n" if name == "reco2channel" else "x file B\n")
    _, layout = prepare(folder)
    wavs, recording = read_table(layout.table("wav.scp")), soundfile.read(folder / "x.flac", dtype="int16")[0]
    assert soundfile.read(wavs["u1"], dtype="int16")[0].tolist() == recording[4000:10000, 1].tolist()
    assert soundfile.info(wavs["u3"]).channels == 2, "the other recording keeps both"


def test_a_channel_of_whole_files(folder):
    (folder / "segments").unlink()
    for name in ("utt2spk", "votes.tsv"):
        text = (folder / name).read_text()
        lines = [line for line in text.splitlines() if not line.startswith("u2")]
        (folder / name).write_text("\n".join(lines).replace("u1", "x").replace("u3", "y") + "\n")
    (folder / "reco2channel").write_text("x A\ny A\n")
    corpus = read_kaldi(folder, DATA)
    assert {utt: cut.channel for utt, cut in corpus.cuts.items()} == {"x": 0, "y": 0}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("segments", "u1 x 0.5\n", "a line must be 'UTT RECORDING START END' with times in seconds; got 'u1 x 0.5'"),
        ("segments", "u1 x 2 1\nu2 x 0 1\nu3 y 0 1\n", "a segment must end after its start, and start at 0 or later"),
        (
            "segments",
            "u1 x nan 1\nu2 x 0 1\nu3 y 0 1\n",
            "a segment must end after its start, and start at 0 or later; got 'u1 x nan 1'",
        ),
        ("segments", "u1 z 0 1\nu2 x 0 1\nu3 y 0 1\n", "segments: u1: its recording is not in wav.scp (z)"),
        (
            "segments",
            "u1 x 0 4\nu2 x 0 1\nu3 y 0 1\n",
            "x.flac: u1: its segment ends after its recording (4 s of 3.00 s)",
        ),
        ("segments", "u1 x 1 1.00001\nu2 x 0 1\nu3 y 0 1\n", "x.flac: u1: its segment holds no sample"),
        ("reco2channel", "x 3\n", "its channel is not there: 2 utterances, such as u1 (3 of 2), u2 (3 of 2)"),
        ("reco2channel", "x mono\n", "the channel must be 1, 2, ... or A, B; got 'x mono'"),
        ("reco2channel", "z 1\n", "the channels match 0 of 2 recordings in wav.scp; got 'z'"),
        ("wav.scp", "x none.flac\ny y.flac\n", "its audio is missing: 2 utterances, such as u1, u2"),
    ],
)
def test_faults_of_segments_and_channels(folder, name, text, message):
    (folder / name).write_text(text)
    with pytest.raises(DataError) as error:
        prepare(folder)
    assert message in str(error.value)
    assert not (folder.parent / "data/cut").exists(), "nothing is cut"


def test_a_recording_that_changes_after_stage_1_is_refused(folder):
    prepare(folder)
    samples, _ = soundfile.read(folder / "x.flac")
    soundfile.write(folder / "x.flac", samples[::-1], RATE_HZ)
    with pytest.raises(DataError, match=r"1 input has changed since stage 1: x.flac; "):
        prepare(folder)
