import math
import shutil
from collections import Counter

import pytest
from corpora.checked import checked
from corpora.make_improv import make_improv, names

from ambiser.config.data_keys import Data
from ambiser.corpora import msp_improv
from ambiser.corpora.data_folder import prepare_data
from ambiser.corpora.msp_improv import read_msp_improv
from ambiser.errors import DataError
from ambiser.io.tables import read_list, read_table

DATA = Data(corpus="msp_improv")
CODES = {"Angry": "ang", "Happy": "hap", "Sad": "sad", "Neutral": "neu"}
TABLE = "Evalution.txt"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("improv") / "MSP-IMPROV"
    return root, make_improv(root)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    assert msp_improv.TURNS == 8438
    monkeypatch.setattr(msp_improv, "TURNS", len(names()))


@pytest.fixture
def root(made, tmp_path):
    """A copy of the table beside links to the folders."""
    root = tmp_path / "MSP-IMPROV"
    root.mkdir()
    shutil.copy(made[0] / TABLE, root)
    for folder in ("Audio", "Text"):
        (root / folder).symlink_to(made[0] / folder)
    return root


def edit(root, old, new):
    text = (root / TABLE).read_text()
    assert old in text
    (root / TABLE).write_text(text.replace(old, new, 1))


def test_every_rater_votes_and_the_consensus_is_the_plurality(made):
    root, given = made
    corpus = checked(read_msp_improv(root, DATA))
    assert [u.utt for u in corpus.utterances] == sorted(given)
    for u in corpus.utterances:
        primary = {v.rater: v.label for v in u.votes if v.slot == "primary"}
        assert primary == {rater: CODES[word] for rater, word in given[u.utt].items()}
    assert {u.label for u in corpus.utterances} >= {"ang", "hap"}
    assert corpus.findings.warnings == {"ratings that are blank (stored as nan)": 2 * len(given)}


def test_other_emotions_are_secondary_and_free_text_is_other(made):
    u = read_msp_improv(made[0], DATA).utterances[0]
    secondary = Counter(v.label for v in u.votes if v.slot == "secondary")
    assert secondary == {"neu": 2, "oth": 2, "fru": 1, "dep": 1}
    assert u.text == "How can I not?"


def test_arousal_is_reversed_and_a_missing_value_is_nan(made):
    corpus = read_msp_improv(made[0], DATA)
    u = next(u for u in corpus.utterances if u.utt.startswith("MSP-IMPROV-S01A"))
    assert {r.arousal for r in u.ratings} == {4.5} and {r.valence for r in u.ratings} == {2.0}
    assert [math.isnan(r.dominance) for r in u.ratings] == [True, False, False, True, False]


def test_the_turn_names_the_speaker(made):
    by_name = {u.utt: u for u in read_msp_improv(made[0], DATA).utterances}
    own, other = by_name["MSP-IMPROV-S01A-F02-T-FM01"], by_name["MSP-IMPROV-S01A-F02-S-MF01"]
    assert (own.speaker, own.gender, own.session, own.acted) == ("F02", "f", "session2", "ang")
    assert (other.speaker, other.gender, other.session, other.acted) == ("M02", "m", "session2", "")
    assert own.recording == other.recording != by_name["MSP-IMPROV-S01A-F02-R-FF01"].recording


def test_a_rater_counts_once_and_odd_lines_are_counted(root):
    line = next(line for line in (root / TABLE).open() if line.startswith("WORKER"))
    edit(root, line, f"{line}{line}% a comment\n")
    edit(root, "V:2.000000; D:3.000000;", "V:9.000000; D:3.000000;")
    edit(root, "; Angry;", "; Furious;")
    edit(root, "; Happy;", "; ;")
    corpus = checked(read_msp_improv(root, DATA))
    assert Counter(sum(v.slot == "primary" for v in u.votes) for u in corpus.utterances) == {5: len(names()) - 1, 4: 1}
    assert sum(v.label == "oth" and v.slot == "primary" for u in corpus.utterances for v in u.votes) == 1
    assert corpus.findings.warnings == {
        "lines of a rater who has rated the turn already (not counted)": 1,
        "comment lines (ignored)": 1,
        "ratings that are blank (stored as nan)": 2 * len(names()),
        "ratings outside 1 to 5 (stored as nan)": 1,
        "primary emotions outside the vocabulary (counted as other)": 1,
        "raters without an emotion": 1,
    }


def test_a_consensus_that_is_not_the_plurality_is_listed(root):
    name = "UTD-IMPROV-S01A-F01-T-FM01.avi"
    text = (root / TABLE).read_text()
    letter = text[text.index(name) + len(name) + 2]
    edit(root, f"{name}; {letter};", f"{name}; O;")
    places = read_msp_improv(root, DATA).findings.places
    assert [where.partition(":")[0] for _, where in places] == ["MSP-IMPROV-S01A-F01-T-FM01"]


def test_a_scale_of_arousal_that_is_not_reversed_is_noticed(root):
    text = (root / TABLE).read_text().replace("A:1.5", "A:x").replace("A:4.0", "A:1.5").replace("A:x", "A:4.5")
    (root / TABLE).write_text(text)
    assert any("may not be reversed" in what for what in read_msp_improv(root, DATA).findings.warnings)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (" A:1.500000; V:2.000000; D:NaN;", " A:1.5", r"Evalution.txt:2: is not a line of a rater; the file is cut"),
        (
            "FM01.avi; ",
            "FM01.avi; Z",
            r"Evalution.txt: is no line of a turn, or a rater without a turn: 6 times, such as line 1",
        ),
        ("S01A-F01-T-FM01.avi", "S01A-F01-S-FM01.avi", r"the turn appears twice; remove one; got 'MSP-IMPROV-S01A"),
    ],
)
def test_a_damaged_table_is_named_with_its_line(root, old, new, message):
    edit(root, old, new)
    with pytest.raises(DataError, match=message):
        checked(read_msp_improv(root, DATA))


def test_turns_without_audio_raters_or_label(made, tmp_path):
    root = shutil.copytree(made[0], tmp_path / "MSP-IMPROV")
    (root / "Audio/session1/S01A/T/MSP-IMPROV-S01A-F01-T-FM01.wav").unlink()
    text = (root / TABLE).read_text()
    blocks = text.split("\n\n")
    (root / TABLE).write_text("\n\n".join([*blocks[:3], blocks[3].partition("\n")[0], *blocks[4:-2], ""]))
    with pytest.raises(DataError) as error:
        checked(read_msp_improv(root, DATA))
    message = str(error.value)
    assert "MSP-IMPROV-S01A-F01-T-FM01: has labels but no audio" in message
    assert "has a consensus label and no votes" in message
    assert f"holds {len(names()) - 1} turns instead of {len(names())}" in message


def test_a_wrong_folder(tmp_path, root):
    with pytest.raises(DataError, match="neither Evaluation.txt nor Evalution.txt found; it comes from https://"):
        read_msp_improv(tmp_path / "MSP-IMPROV/Audio", DATA)
    (root / "Audio").unlink()
    with pytest.raises(DataError, match="holds no audio named like its turns .*; unpack Audio"):
        read_msp_improv(root, DATA)


def test_stage_1_tests_one_session_per_fold(made, layout):
    record = prepare_data(made[0], DATA, layout)
    assert (record.folds, record.sessions, record.leaks) == ([1, 2, 3], ["session1", "session2", "session3"], {})
    assert {utt[17:19] for utt in read_list(layout.fold_list(2, "test"))} == {"02"}
    assert set(read_table(layout.table("utt2acted")).values()) == {"ang", "hap", "sad"}
