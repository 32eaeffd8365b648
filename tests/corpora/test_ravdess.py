import shutil
from collections import Counter

import pytest
from corpora.checked import checked
from corpora.tiny_wavs import touch, write_wavs

from ambiser.config.data_keys import Data
from ambiser.corpora import ravdess
from ambiser.corpora.corpus import Vote
from ambiser.corpora.data_folder import prepare_data
from ambiser.corpora.ravdess import read_ravdess
from ambiser.corpora.recognize import recognize
from ambiser.errors import DataError
from ambiser.io.tables import read_list

DATA = Data(corpus="ravdess", protocol="speaker_folds", folds=6)
PARTIAL = DATA.model_copy(update={"allow_incomplete": True})


def names(actors):
    """The names of the release: two intensities (neutral: one), two statements, two repetitions."""
    return [
        f"03-01-{emotion:02d}-{intensity:02d}-{statement:02d}-{repetition:02d}-{actor:02d}.wav"
        for actor in actors
        for emotion in range(1, 9)
        for intensity in ((1,) if emotion == 1 else (1, 2))
        for statement in (1, 2)
        for repetition in (1, 2)
    ]


@pytest.fixture
def root(tmp_path):
    """The clips of one actor."""
    touch(tmp_path / "RAVDESS/Actor_02" / name for name in names([2]))
    return tmp_path / "RAVDESS"


def test_a_complete_corpus_has_the_published_numbers(root, monkeypatch):
    assert (len(ravdess.CLIPS), sum(ravdess.CLIPS.values())) == (24, 1440)
    monkeypatch.setattr(ravdess, "CLIPS", {"actor02": 60})
    corpus = checked(read_ravdess(root, DATA))
    labels = Counter(u.label for u in corpus.utterances)
    assert labels == {
        code: 4 if code == "neu" else 8 for code in ["neu", "cal", "hap", "sad", "ang", "fea", "dis", "sur"]
    }
    assert not corpus.findings.warnings


def test_name_gives_emotion_words_actor_and_gender(root):
    u = next(u for u in read_ravdess(root, PARTIAL).utterances if u.utt == "03-01-06-01-02-01-02")
    assert (u.label, u.acted, u.text) == ("fea", "fea", "Dogs are sitting by the door.")
    assert (u.speaker, u.session, u.gender) == ("actor02", "actor02", "f")
    assert u.votes == (Vote("acted", "outside", "fea"),)


def test_junk_copies_songs_and_videos(root):
    shutil.copytree(root / "Actor_02", root / "audio_speech_actors_01-24/Actor_02")
    touch([root / "Actor_02/03-02-03-01-01-01-02.wav", root / "Actor_02/01-01-03-01-01-01-02.wav"])
    touch([root / "Actor_02/01-01-03-01-01-01-02.mp4", root / "__MACOSX/Actor_02/03-01-03-01-01-01-02.wav"])
    touch([root / "Actor_02/._03-01-01-01-01-01-02.wav", root / "Actor_02/03-01-01-01-01-01-02 (1).wav"])
    corpus = checked(read_ravdess(root, PARTIAL))
    assert len(corpus.utterances) == 60
    assert corpus.findings.left_out == {
        "01-01-03-01-01-01-02": "is the sound of a video; the audio-only clip counts",
        "03-02-03-01-01-01-02": "is a song, not speech",
    }
    warnings = corpus.findings.warnings
    assert warnings["copies of clips in a second folder (ignored)"] == 60
    assert warnings["audio files that are not named like clips (ignored)"] == 1
    assert warnings["hidden files such as macOS's ._* (ignored)"] == 1


def test_missing_clips_are_one_fault_with_numbers(root):
    (root / "Actor_02/03-01-01-01-01-01-02.wav").unlink()
    message = (
        r"holds 59 clips instead of 1440 \(actor01 0 of 60, actor02 59 of 60, actor03 0 of 60 and 21 more\); "
        "restore the corpus, or leave these utterances out: --set data.allow_incomplete=true"
    )
    with pytest.raises(DataError, match=message):
        checked(read_ravdess(root, DATA))
    assert len(checked(read_ravdess(root, PARTIAL)).utterances) == 59


def test_two_different_files_of_one_name_are_refused(root):
    name = "03-01-01-01-01-01-02.wav"
    (root / "other").mkdir()
    (root / "other" / name).write_bytes(b"different")
    with pytest.raises(DataError, match=f"other/{name}: differs from another file of this name; .*Actor_02/{name}"):
        checked(read_ravdess(root, PARTIAL))


def test_a_wrong_folder_says_what_is_missing_and_where_to_get_it(tmp_path):
    with pytest.raises(DataError, match="not a folder; --corpus_dir must name a copy of RAVDESS; get it from https://"):
        read_ravdess(tmp_path / "none", DATA)
    touch([tmp_path / "Audio_Speech_Actors_01-24.zip"])
    with pytest.raises(DataError, match="no audio named like its clips; Audio_Speech_Actors_01-24.zip is still packed"):
        read_ravdess(tmp_path, DATA)


def test_ambiser_check_recognizes_the_corpus(root):
    assert recognize(root, allow_incomplete=True).name == "ravdess"


def test_stage_1_makes_actor_disjoint_folds(tmp_path, layout):
    chosen = [name for name in names(range(1, 13)) if "-01-01-01-" in name]
    write_wavs((tmp_path / "RAVDESS" / name for name in chosen[::3]), rate_hz=48000)
    record = prepare_data(tmp_path / "RAVDESS", PARTIAL, layout)
    assert (record.folds, record.leaks, record.utterances) == ([1, 2, 3, 4, 5, 6], {}, len(chosen[::3]))
    actors = {utt[-2:] for utt in read_list(layout.fold_list(1, "test"))}
    assert sorted(int(actor) % 2 for actor in actors) == [0, 1]
