"""`ambiser check FOLDER`: recognizes a corpus, prints what its parser found, and refuses faults."""

import shutil
import sys

import numpy as np
import pytest
import soundfile

from ambiser.bin import ambiser as command
from ambiser.corpora.parsers import CORPORA
from ambiser.corpora.recognize import recognize
from ambiser.errors import DataError
from ambiser.io.tables import write_table, write_tsv


@pytest.fixture
def check(monkeypatch, capsys):
    def check(*words):
        monkeypatch.setattr(sys, "argv", ["ambiser", "check", *map(str, words)])
        try:
            command.main()
        finally:
            check.out = capsys.readouterr().out
        return check.out

    return check


@pytest.fixture
def kaldi(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    soundfile.write(folder / "a.wav", np.full(800, 0.1), 16000)
    write_table(folder / "wav.scp", {"a": "a.wav", "b": "a.wav"})
    write_table(folder / "utt2spk", {"a": "s1", "b": "s2"})
    rows = [("a", "r1", "hap"), ("a", "r2", "sad"), ("b", "r1", "hap")]
    write_tsv(folder / "votes.tsv", ["utt", "rater", "label"], rows)
    return folder


def test_a_corpus_is_recognized_by_its_files(check, mini_corpus, kaldi):
    assert "corpus     iemocap" in check(mini_corpus, "--allow_incomplete")
    out = check(kaldi)
    assert "corpus     kaldi" in out and "utterances 2 of 2 speakers" in out and "labels     hap 2, sad 1" in out
    assert "votes      3 of 2 raters, 1.50 per utterance" in out and "faults     none" in out


def test_faults_are_all_reported(check, kaldi):
    write_table(kaldi / "wav.scp", {"a": "a.wav", "b": "gone.wav", "c": "a.wav"})
    with pytest.raises(DataError, match="2 faults in ") as caught:
        check(kaldi)
    assert "b: its audio is missing" in str(caught.value) and "has no speaker in utt2spk" in str(caught.value)
    assert "corpus     kaldi" in check.out and "faults     none" not in check.out
    assert "left out   1: has no speaker in utt2spk" in check(kaldi, "--allow_incomplete")


def test_what_is_no_corpus_is_one_line(tmp_path, mini_corpus):
    with pytest.raises(DataError, match="is not recognized as a corpus; known corpora: crema_d, ") as caught:
        recognize(tmp_path)
    assert "\n" not in str(caught.value)
    shutil.copytree(mini_corpus, tmp_path / "deeper")
    with pytest.raises(DataError, match="is not IEMOCAP itself, .*deeper is"):
        recognize(tmp_path)


def test_a_named_parser_says_why_it_does_not_fit(check, kaldi, capsys):
    with pytest.raises(DataError, match="is not CREMA-D"):
        check(kaldi, "--corpus", "crema_d")
    with pytest.raises(SystemExit):
        check(kaldi, "--corpus", "cremad")
    assert "mini" in CORPORA


def test_with_config_it_is_stage_0(check, monkeypatch):
    called = []
    monkeypatch.setattr("ambiser.bin.check.main", lambda: called.append(sys.argv))
    check("--config", "x.yaml")
    assert called == [["ambiser check", "--config", "x.yaml"]]
