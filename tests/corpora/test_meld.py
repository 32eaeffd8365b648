import pytest
from corpora.checked import checked
from corpora.make_meld import FOLDERS, ROWS, TABLES, make_meld

from ambiser.config.data_keys import Data
from ambiser.corpora import meld
from ambiser.corpora.corpus import Vote
from ambiser.corpora.data_folder import prepare_data
from ambiser.corpora.meld import read_meld
from ambiser.errors import DataError

DATA = Data(corpus="meld", protocol="as_released", allow_leaks=True)
PARTIAL = DATA.model_copy(update={"allow_incomplete": True})


@pytest.fixture
def root(tmp_path, monkeypatch):
    assert meld.UTTERANCES == {"train": 9989, "dev": 1109, "test": 2610} and sum(meld.UTTERANCES.values()) == 13708
    monkeypatch.setattr(meld, "UTTERANCES", {part: len(rows) for part, rows in ROWS.items()})
    return make_meld(tmp_path / "MELD.Raw")


def edit(root, part, old, new):
    path = root / TABLES[part]
    text = path.read_bytes().decode("utf-8")
    assert old in text
    path.write_bytes(text.replace(old, new, 1).encode("utf-8"))


def test_utterances_with_words_speaker_part_and_dialogue(root):
    corpus = checked(read_meld(root, DATA))
    by_name = {u.utt: u for u in corpus.utterances}
    assert list(by_name) == [
        "dev_dia0_utt0",
        "dev_dia0_utt1",
        "test_dia0_utt0",
        "test_dia0_utt1",
        "train_dia0_utt0",
        "train_dia0_utt1",
        "train_dia0_utt3",
        "train_dia1_utt0",
    ]
    u = by_name["train_dia0_utt1"]
    assert (u.text, u.speaker, u.gender, u.label) == ("You must’ve, “well”", "The_Interviewer", "u", "sur")
    assert (u.part, u.session, u.recording) == ("Train", "train_dia0", "s8e21")
    assert u.votes == (Vote("consensus", "outside", "sur"),)
    assert by_name["train_dia0_utt0"].text == "my company’s transition…"
    assert by_name["train_dia1_utt0"].text == 'He said, "Bob."'
    assert by_name["test_dia0_utt0"].speaker == "Chandler", "one spelling per speaker"
    assert all(u.expected_s == pytest.approx(0.1) for u in corpus.utterances)


def test_known_defects_and_files_without_label_are_listed(root):
    corpus = checked(read_meld(root, DATA))
    assert corpus.findings.left_out == {
        "dev_dia110_utt7": "known defect: the release has no video",
        "train_dia125_utt3": "known defect: the released video is damaged",
        "test_dia66_utt9": "has audio but no label",
    }
    warnings = corpus.findings.warnings
    assert warnings["utterances with characters of Windows-1252 (repaired)"] == 2
    assert warnings["audio files that are not named like utterances, or in no part (ignored)"] == 1
    assert warnings["hidden files such as macOS's ._* (ignored)"] == 1


def test_audio_in_folders_or_with_names_of_its_own(root):
    (root / FOLDERS["train"]).rename(root / "audio_train")
    flat = root / "audio"
    flat.mkdir()
    for path in (root / FOLDERS["dev"]).glob("*.wav"):
        path.rename(flat / f"dev_{path.name}")
    assert len(checked(read_meld(root, DATA)).utterances) == 8


def test_an_utterance_without_audio_is_a_fault(root):
    (root / FOLDERS["dev"] / "dia0_utt1.wav").unlink()
    with pytest.raises(DataError, match=r"dev: dev_dia0_utt1: has no audio \(wav or flac\); restore the corpus"):
        checked(read_meld(root, DATA))
    assert len(checked(read_meld(root, PARTIAL)).utterances) == 7


def test_videos_alone_name_the_readme(root):
    for path in root.rglob("*.wav"):
        path.unlink()
    with pytest.raises(DataError, match="holds videos and no audio; extract it as egs/meld/README.md shows: one wav"):
        read_meld(root, DATA)


@pytest.mark.parametrize(
    ("part", "old", "new", "message"),
    [
        ("dev", "Emotion", "Emotions", "dev_sent_emo.csv:1: the header lacks Emotion; get the file again from https:"),
        ("dev", "fear", "panic", "dev_sent_emo.csv:2: Emotion must be one of neutral, joy, .*; got 'panic'"),
        ("train", ",1,0,8,21", ",one,0,8,21", "csv:5: Dialogue_ID and Utterance_ID must be whole numbers; .*diaone"),
        ("test", "Mrs. Green", " ", "test_sent_emo.csv:3: test_dia0_utt1: has no speaker"),
        ("dev", ",8,21", ",8", "dev_sent_emo.csv:2: the header has 11 fields, the line has 10"),
    ],
)
def test_a_damaged_table_is_named_with_its_line(root, part, old, new, message):
    edit(root, part, old, new)
    with pytest.raises(DataError, match=message):
        checked(read_meld(root, DATA))


def test_a_table_cut_between_lines(root):
    path = root / TABLES["train"]
    path.write_bytes(b"\r\n".join(path.read_bytes().split(b"\r\n")[:4]) + b"\r\n")
    with pytest.raises(DataError, match="train_sent_emo.csv: holds 3 utterances instead of 5"):
        checked(read_meld(root, DATA))


def test_a_repeated_line_counts_once(root):
    edit(root, "test", "2,Hi.", "1,Why?,Joey,joy,neutral,0,0,8,21,,\r\n2,Hi.")
    corpus = checked(read_meld(root, DATA))
    assert corpus.findings.warnings["lines that repeat an utterance (the first counts)"] == 1
    assert next(u for u in corpus.utterances if u.utt == "test_dia0_utt0").label == "dis"


def test_a_missing_table_or_folder(root, tmp_path):
    (root / TABLES["dev"]).unlink()
    with pytest.raises(DataError, match="is not MELD: dev_sent_emo.csv not found; get it from https://github.com"):
        read_meld(root, DATA)
    with pytest.raises(DataError, match="none is not a folder; --corpus_dir must name a copy of MELD"):
        read_meld(tmp_path / "none", DATA)


def test_stage_1_keeps_the_released_parts_and_counts_shared_speakers(root, layout):
    record = prepare_data(root, DATA, layout)
    assert record.parts == {"1": {"train": 4, "dev": 2, "test": 2}}
    assert record.leaks == {"speaker": 1, "recording": 1}
    assert not any("length contradicts" in what for what in record.warnings)
    with pytest.raises(DataError, match="speakers are in more than one part: Chandler"):
        strict = DATA.model_copy(update={"allow_leaks": False})
        prepare_data(root, strict, type(layout)(root / "data2", root / "dump", root / "exp"))
