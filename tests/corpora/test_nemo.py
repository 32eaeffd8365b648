import random
from collections import Counter

import pytest
from corpora.checked import checked
from corpora.tiny_wavs import touch, write_wavs

from ambiser.config.data_keys import Data
from ambiser.corpora import nemo
from ambiser.corpora.data_folder import prepare_data
from ambiser.corpora.nemo import read_nemo
from ambiser.errors import DataError

DATA = Data(corpus="nemo", protocol="leave_one_speaker_out")
PARTIAL = DATA.model_copy(update={"allow_incomplete": True})
SPEAKERS = {"EB0": "female", "IC0": "female", "KD0": "female", "MK0": "female"} | dict.fromkeys(
    ("KS0", "MP0", "SM0", "TP0", "WR0"), "male"
)
EMOTIONS = ("anger", "fear", "happiness", "neutral", "sadness", "surprised")
HEADER = "file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage\n"


def make(root, *, number=None, sentences=range(1, 91), write=touch):
    """Writes a miniature in the form of the release: shuffled lines, eight blanks before the speaker, odd quotes."""
    rows = [(s, e, n) for s in SPEAKERS for e in EMOTIONS for n in sentences][:number]
    random.Random(1).shuffle(rows)
    words = '„Ród smoka” to "serial", telewizyjny.'
    lines = [f"{s}_{e}_{n}.wav\t{e}\t{words}\tród smoka\t        {s}\t{SPEAKERS[s]}\t23\n" for s, e, n in rows]
    write(root / f"samples/{s}_{e}_{n}.wav" for s, e, n in rows)
    (root / "data.tsv").write_text(HEADER + "".join(lines), encoding="utf-8")
    return root


@pytest.fixture
def root(tmp_path):
    return make(tmp_path / "nEMO", number=20)


def edit(root, old, new):
    text = (root / "data.tsv").read_text(encoding="utf-8")
    assert old in text
    (root / "data.tsv").write_text(text.replace(old, new, 1), encoding="utf-8")


def test_a_complete_corpus_is_read_without_warnings(root, monkeypatch):
    assert nemo.CLIPS == 4481
    monkeypatch.setattr(nemo, "CLIPS", 20)
    corpus = checked(read_nemo(root, DATA))
    assert Counter(u.label for u in corpus.utterances) == {"ang": 20}
    u = corpus.utterances[0]
    assert (u.utt, u.speaker, u.gender, u.session) == ("EB0_anger_1", "EB0", "f", "EB0")
    assert u.text == '„Ród smoka” to "serial", telewizyjny.'
    assert not corpus.findings.warnings


def test_clips_without_line_and_lines_without_clip(root):
    (root / "samples/EB0_anger_1.wav").rename(root / "samples/EB0_fear_90.wav")
    with pytest.raises(DataError) as error:
        checked(read_nemo(root, DATA))
    for fault in ("has no audio", "EB0_fear_90: has no line in data.tsv", "holds 20 lines instead of 4481"):
        assert fault in str(error.value)
    assert len(checked(read_nemo(root, PARTIAL)).utterances) == 19


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("raw_text\t", "text\t", "data.tsv:1: the header lacks raw_text; get the file again from https://github.com"),
        ("\tanger\t", "\trage\t", r"data.tsv:2: speaker and emotion contradict EB0_anger_\d+; got 'EB0 rage'"),
        ("\tfemale\t", "\tf?\t", "data.tsv:2: gender must be female or male; got 'f.'"),
        ("EB0_anger", "EB0-anger", r"data.tsv:2: file_id must be SPEAKER_EMOTION_NUMBER.wav; got 'EB0-anger"),
        ("\t23\n", "\n", "data.tsv:2: the header has 7 fields, the line has 6"),
    ],
)
def test_a_damaged_table_is_named_with_its_line(root, old, new, message):
    edit(root, old, new)
    with pytest.raises(DataError, match=message):
        checked(read_nemo(root, PARTIAL))


def test_a_folder_without_table(root):
    (root / "data.tsv").unlink()
    with pytest.raises(DataError, match="is not nEMO: data.tsv not found; get it with: git clone https://github.com"):
        read_nemo(root, DATA)


def test_stage_1_tests_one_actor_per_fold(tmp_path, layout):
    root = make(tmp_path / "nEMO", sentences=[7], write=write_wavs)
    record = prepare_data(root, PARTIAL, layout)
    assert (len(record.folds), record.utterances, record.leaks) == (9, 9 * 6, {})
