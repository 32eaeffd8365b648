import shutil
from collections import Counter

import pytest
from corpora.checked import checked
from corpora.tiny_wavs import touch, write_wavs

from ambiser.config.data_keys import Data
from ambiser.corpora import tess
from ambiser.corpora.data_folder import prepare_data
from ambiser.corpora.tess import read_tess
from ambiser.errors import DataError
from ambiser.io.layout import Layout
from ambiser.io.tables import read_list

DATA = Data(corpus="tess", protocol="unseen_test_speaker")
PARTIAL = DATA.model_copy(update={"allow_incomplete": True})
WORDS = ("bite", "back", "dog")
EMOTIONS = ("angry", "disgust", "fear", "happy", "neutral", "ps", "sad")
# As unpacked: the speakers' folders differ in case and spelling.
FOLDERS = {"OAF": {"fear": "Fear", "ps": "Pleasant_surprise", "sad": "Sad"}, "YAF": {"ps": "pleasant_surprised"}}
ODD = "OAF_neutral/OA_bite_neutral.wav"


def files():
    """The names of the release; one of them lacks the F of its speaker."""
    for speaker, folders in FOLDERS.items():
        for word in WORDS:
            for emotion in EMOTIONS:
                name = f"{speaker}_{folders.get(emotion, emotion)}/{speaker}_{word}_{emotion}.wav"
                yield ODD if name == "OAF_neutral/OAF_bite_neutral.wav" else name


@pytest.fixture
def root(tmp_path):
    touch(tmp_path / "TESS" / name for name in files())
    return tmp_path / "TESS"


@pytest.fixture
def small(monkeypatch):
    """Makes the miniature complete."""
    assert sum(tess.CLIPS.values()) == 2800
    monkeypatch.setattr(tess, "CLIPS", dict.fromkeys(tess.CLIPS, len(WORDS) * len(EMOTIONS)))


def test_a_complete_corpus_has_equal_numbers_of_all_emotions(root, small):
    corpus = checked(read_tess(root, DATA))
    assert Counter((u.speaker, u.label) for u in corpus.utterances) == {
        (speaker, code): 3 for speaker in ("OAF", "YAF") for code in ["ang", "dis", "fea", "hap", "neu", "sur", "sad"]
    }
    odd = next(u for u in corpus.utterances if u.utt == "OA_bite_neutral")
    assert (odd.speaker, odd.gender, odd.text, odd.label) == ("OAF", "f", "Say the word bite.", "neu")


def test_a_nested_copy_is_counted_and_ignored(root, small):
    shutil.copytree(root / "YAF_sad", root / "TESS Toronto emotional speech set data/YAF_sad")
    corpus = checked(read_tess(root, DATA))
    assert len(corpus.utterances) == 42
    assert corpus.findings.warnings["copies of clips in a second folder (ignored)"] == 3


def test_a_missing_folder_is_one_fault(root, small):
    shutil.rmtree(root / "OAF_Sad")
    with pytest.raises(DataError, match=r"holds 39 clips instead of 42 \(OAF 18 of 21\); restore the corpus"):
        checked(read_tess(root, DATA))


def test_stage_1_tests_the_other_speaker(tmp_path, layout):
    write_wavs((tmp_path / "TESS" / name for name in files()), rate_hz=24414)
    record = prepare_data(tmp_path / "TESS", PARTIAL, layout)
    assert (record.utterances, record.folds, record.leaks) == (42, [1, 2], {})
    assert {utt[0] for utt in read_list(layout.fold_list(1, "test"))} == {"O"}
    speakers = PARTIAL.model_copy(update={"protocol": "speaker_folds"})
    with pytest.raises(DataError, match="5 sets need as many speakers; there are 2; .* can be unseen_test_speaker,"):
        prepare_data(tmp_path / "TESS", speakers, Layout(tmp_path / "data2", tmp_path / "dump", tmp_path / "exp"))
