import math

import pytest

from ambiser.corpora.corpus import Vote
from ambiser.corpora.findings import Findings
from ambiser.corpora.iemocap_grammar import TURN, consensus, read_evaluation, read_transcription
from ambiser.errors import DataError

HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
F000 = (
    "[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]\n"
    "C-E2:\tNeutral;\t()\nC-E3:\tNeutral;\t()\nC-E4:\tNeutral;\t()\nC-F1:\tNeutral;\t(curious)\n"
    'A-E3:\tval 3; act 2; dom  2;\t()\nA-E4:\tval 2; act 3; dom  3;\t(mildly aggravated, "polite")\n'
    "A-F1:\tval 3; act 2; dom  1;\t()\n\n"
)


def block(cats=(), atts=("A-E1:\tval 2; act 2; dom  2;\t()",), turn="Ses01F_impro01_F001", code="neu", vad="2.0000"):
    head = f"[10.0100 - 11.3925]\t{turn}\t{code}\t[{vad}, {vad}, {vad}]"
    return "\n".join([head, *cats, *atts]) + "\n\n"


def evaluation(tmp_path, text, allow=False, encoding="utf-8"):
    path = tmp_path / "Ses01F_impro01.txt"
    path.write_bytes(text.encode(encoding))
    findings = Findings(allow)
    return read_evaluation(path, findings), findings


def labels(turn, rater):
    return [vote.label for vote in turn.votes if vote.rater == rater]


def test_a_block_as_the_release_has_it(tmp_path):
    turns, findings = evaluation(tmp_path, HEADER + F000)
    turn = turns["Ses01F_impro01_F000"]
    assert turn.code == "neu"
    assert turn.votes == tuple(Vote(r, "self" if r == "F1" else "outside", "neu") for r in ("E2", "E3", "E4", "F1"))
    assert [(r.rater, r.source, r.valence, r.arousal, r.dominance) for r in turn.ratings] == [
        ("E3", "outside", 3, 2, 2),
        ("E4", "outside", 2, 3, 3),
        ("F1", "self", 3, 2, 1),
    ]
    assert not findings.warnings


def test_crlf_and_trailing_blanks_change_nothing(tmp_path):
    text = HEADER + F000 + block(["C-E1:\tAnger;\t()"], code="ang")
    expected, _ = evaluation(tmp_path, text)
    got, findings = evaluation(tmp_path, text.replace("\n\n", "\n  \t \n").replace("\n", "\r\n"))
    assert {k: (v.code, v.votes, v.ratings) for k, v in got.items()} == {
        k: (v.code, v.votes, v.ratings) for k, v in expected.items()
    }
    assert not findings.warnings


@pytest.mark.parametrize(
    ("line", "expected", "warned"),
    [
        ("C-E1:\tFrustration; Anger;\t()", ["fru", "ang"], 0),
        ("C-E1:\tNeutral; Disgust; Other;\t()", ["neu", "dis", "oth"], 0),
        ("C-E1:\tNeutral state;\t()", ["neu"], 0),
        ("C-E1:\tSadness;\t(first: angry; Anger; then sad)", ["sad"], 0),
        ("C-E1:\tSadness;\t(loud (very); not: Anger)", ["sad"], 0),
        ("C-E1: Excited; (no tab; Anger;)", ["exc"], 0),
        ("C-E1:\tHappiness;", ["hap"], 0),
        ("C-E1:\tFear; Surprise\t()", ["fea", "sur"], 0),
        ("C-E1:\tAnger; Anger;\t()", ["ang"], 1),
        ("C-E1:\tAnger; Boredom;\t()", ["ang"], 1),
        ("C-E1:\t;\t()", [], 1),
        ("C-E1:\tAnger; Other (bored);\t()", ["ang"], 1),
    ],
)
def test_label_lines(tmp_path, line, expected, warned):
    turns, findings = evaluation(tmp_path, HEADER + block([line, "C-E2:\tNeutral;\t()", "C-E3:\tNeutral;\t()"]) + F000)
    assert labels(turns["Ses01F_impro01_F001"], "E1") == expected
    codes = "turns whose released code is not the plurality of the outside votes"
    assert sum(count for what, count in findings.warnings.items() if what != codes) == warned


@pytest.mark.parametrize(
    ("values", "expected", "warned"),
    [
        ("val 2.5; act 3; dom  2;", (2.5, 3, 2), {}),
        ("val 2; act 3; dom  ;", (2, 3, math.nan), {"attributes left blank (stored as nan)": 1}),
        ("val ; act ; dom  ;", (math.nan,) * 3, {"attributes left blank (stored as nan)": 3}),
        ("val 0; act 6; dom  x;", (math.nan,) * 3, {"attributes outside 1 to 5 (stored as nan)": 3}),
        ("val 1; act 5; dom 3", (1, 5, 3), {}),
        ("nothing", (math.nan,) * 3, {"attribute lines that cannot be read (stored as nan)": 1}),
    ],
)
def test_attribute_lines(tmp_path, values, expected, warned):
    vad = "2.5000" if values.startswith("val 2.5") else "1.0000"
    text = block(["C-E1:\tNeutral;\t()"], [f"A-F1:\t{values}\t(a; b: c)"], vad=vad) + F000
    turns, findings = evaluation(tmp_path, HEADER + text)
    rating = turns["Ses01F_impro01_F001"].ratings[0]
    assert (rating.valence, rating.arousal, rating.dominance) == pytest.approx(expected, nan_ok=True)
    assert findings.warnings == warned


def test_votes_are_kept_when_an_attribute_is_missing(tmp_path):
    text = block(["C-E1:\tNeutral;\t()"], ["A-E1:\tval 2; act 2; dom  ;\t()"])
    turns, _ = evaluation(tmp_path, HEADER + text + F000)
    assert labels(turns["Ses01F_impro01_F001"], "E1") == ["neu"]


def test_header_values_that_do_not_follow_from_the_lines_are_counted_only(tmp_path):
    text = block(["C-E1:\tSadness;\t()", "C-E2:\tSadness;\t()", "C-F1:\tAnger;\t()"], code="ang", vad="4.0000") + F000
    turns, findings = evaluation(tmp_path, HEADER + text)
    assert turns["Ses01F_impro01_F001"].code == "ang"
    assert findings.warnings == {
        "turns whose [V, A, D] is not the mean of the outside ratings": 1,
        "turns whose released code is not the plurality of the outside votes": 1,
    }


def test_consensus_ignores_the_speaker_and_knows_ties():
    votes = tuple(Vote(f"E{i}", "outside", label) for i, label in enumerate(["fru", "fru", "neu"]))
    assert consensus(votes + tuple(Vote("F1", "self", "neu") for _ in range(3))) == "fru"
    assert consensus(votes[1:]) == "xxx"


def test_bytes_that_are_no_utf8_are_read(tmp_path):
    text = block(["C-E1:\tNeutral;\t(d\xe9j\xe0 vu)"])
    turns, findings = evaluation(tmp_path, HEADER + text + F000, encoding="latin-1")
    assert len(turns) == 2
    line = (HEADER + text).split("\n").index(text.split("\n")[1]) + 1
    path = tmp_path / "Ses01F_impro01.txt"
    assert findings.places == [("lines with bytes that are not UTF-8 (replaced)", f"{path}:{line}")]


def test_second_lines_of_a_rater_do_not_count_and_are_listed(tmp_path):
    cats = ["C-E1:\tNeutral;\t()", "C-E1:\tAnger;\t()", "C-E2:\tNeutral;\t()"]
    atts = ["A-E1:\tval 2; act 2; dom  2;\t()", "A-E1:\tval 5; act 5; dom  9;\t()"]
    turns, findings = evaluation(tmp_path, HEADER + block(cats, atts) + F000)
    turn = turns["Ses01F_impro01_F001"]
    assert labels(turn, "E1") == ["neu"]
    assert len(turn.ratings) == 1
    assert findings.warnings["second lines of a rater on a turn (not counted)"] == 2
    lines = (HEADER + block(cats, atts)).split("\n")
    expected = [f"{tmp_path / 'Ses01F_impro01.txt'}:{lines.index(line) + 1}" for line in (cats[1], atts[1])]
    assert [where for _, where in findings.places] == expected


def test_a_file_cut_anywhere_in_its_last_block_is_noticed(tmp_path):
    """Except where only the speaker's own rating is gone, or nothing but the closing lines."""
    whole = HEADER + F000 + F000.replace("F000", "F001")
    outside_votes_end = whole.rindex("A-F1") - 1
    for position in range(len(HEADER + F000) + 1, len(whole) - 2):
        if outside_votes_end <= position <= outside_votes_end + 1:
            assert len(evaluation(tmp_path, whole[:position])[0]) == 2
            continue
        with pytest.raises(DataError, match=r"Ses01F_impro01\.txt:\d+: .*cut off here.*data.allow_incomplete=true"):
            evaluation(tmp_path, whole[:position])[1].refuse()


def test_a_cut_block_is_left_out_when_allowed(tmp_path):
    turns, findings = evaluation(tmp_path, HEADER + F000 + block(["C-E1:\tNeu"])[:-40], allow=True)
    assert list(turns) == ["Ses01F_impro01_F000"]
    assert findings.left_out == {"Ses01F_impro01_F001": "the file is cut off here"}


def test_a_line_that_is_no_rating_is_counted_and_costs_nothing(tmp_path):
    turns, findings = evaluation(tmp_path, HEADER + block(["C-E1:\tNeutral;\t()", "a comment that went on"]) + F000)
    assert len(turns) == 2
    assert findings.warnings == {"lines of a block that are neither a C- nor an A- line (ignored)": 1}


def test_a_missing_blank_line_at_the_end_is_no_cut(tmp_path):
    assert len(evaluation(tmp_path, HEADER + F000.rstrip("\n"))[0]) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (block(["C-F1:\tNeutral;\t()"]) + F000, r":3: Ses01F_impro01_F001: no votes of outside raters"),
        (block(["C-E1 Neutral"]) + F000, r":4: Ses01F_impro01_F001: is not a complete C- or A- line \(C-E1 Neutral\)"),
        ("[1.0 - 2.0] Ses01F\n\n" + F000, r":3: Ses01F_impro01:3: is not the summary line of a turn"),
        (block(["C-E1:\tNeutral;\t()"], turn="Ses01F_impro01_FXX0") + F000, r":3: .*not the summary line of a turn"),
        (F000 + F000, r":12: the turn appears twice; remove one block; got 'Ses01F_impro01_F000, first in .*:3'"),
        ("", "contains no turns; the file is empty or cut off"),
    ],
)
def test_faults_name_file_and_line(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        evaluation(tmp_path, HEADER + text)[1].refuse()


def transcription(tmp_path, text):
    path = tmp_path / "Ses01F_impro01.txt"
    path.write_bytes(text.encode())
    findings = Findings()
    return read_transcription(path, findings), findings


def test_transcription_lines(tmp_path):
    texts, findings = transcription(
        tmp_path,
        "Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.\r\n"
        "Ses01F_impro01_M000 [007.5712-010.4750]: [LAUGHTER] Do you:  have [2] forms?\r\n"
        "Ses01F_impro01_MXX0 [010.5-011.0]: [LAUGHTER], That's what they say.\r\n"
        "M: Yeah.\r\n"
        "\r\n"
        "Ses01F_impro01_F001 [012.0000-013.0000]:\r\n",
    )
    assert texts == {
        "Ses01F_impro01_F000": "Excuse me.",
        "Ses01F_impro01_M000": "[LAUGHTER] Do you: have [2] forms?",
        "Ses01F_impro01_F001": "",
    }
    assert findings.warnings == {
        "transcript lines of XX turns, which have no audio (dropped)": 1,
        "transcript lines without a turn, such as 'M: Yeah.' (dropped)": 1,
    }


@pytest.mark.parametrize("name", ["Ses03M_impro05a_F012", "Ses05M_script01_1b_M000", "Ses02F_script02_2_F046"])
def test_irregular_names(name):
    assert TURN.fullmatch(name)


@pytest.mark.parametrize(
    "name", ["Ses06F_impro01_F000", "Ses01F_impro01_MXX0", "Ses01F_impro01_F00", "._Ses01F_impro01"]
)
def test_names_of_no_turn(name):
    assert not TURN.fullmatch(name)
