from dataclasses import replace
from pathlib import Path

import pytest

from ambiser.config.data_keys import Data
from ambiser.corpora.corpus import Utterance
from ambiser.corpora.folds import PROTOCOLS, make_folds
from ambiser.corpora.leaks import find_leaks, guard_folds
from ambiser.errors import DataError


def utterance(utt, speaker, session="", gender="f", recording="", part=""):
    return Utterance(utt, Path(utt), speaker, gender, session, "neu", "", (), (), recording=recording, part=part)


SESSIONS = [
    utterance(f"u{s}{spk}{i}", f"S{s}{spk}", f"S{s}", spk.lower(), f"d{s}")
    for s in range(1, 6)
    for spk in "FM"
    for i in range(2)
]
BY_NAME = {u.utt: u for u in SESSIONS}
CROWD = [utterance(f"c{i:02d}{j}", f"p{i:02d}", f"p{i:02d}", "fm"[i % 3 == 0]) for i in range(23) for j in range(3)]


def of(fold, part, attribute="session"):
    return sorted({getattr(BY_NAME[utt], attribute) for utt in fold[part]})


FEW = {
    "one utterance": SESSIONS[:1],
    "one speaker": [replace(u, speaker="a", session="s") for u in CROWD],
    "one session": [replace(u, session="s") for u in CROWD],
    "one text and recording": [replace(u, text="x", recording="r") for u in CROWD],
    "one released part": [replace(u, part="Train") for u in CROWD],
}


@pytest.mark.parametrize("case", FEW)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_part_of_a_fold_is_empty(protocol, case):
    try:
        folds = make_folds(FEW[case], Data(protocol=protocol)).folds.values()
    except DataError as error:
        assert "with this corpus data.protocol can be" in str(error)
        return
    assert all(fold[part] for fold in folds for part in ("train", "dev", "test"))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_utterances_are_one_line(protocol):
    with pytest.raises(DataError, match="there are no utterances to make folds of$"):
        make_folds([], Data(protocol=protocol))
    with pytest.raises(DataError, match="to make folds of, only the pool without votes$"):
        make_folds(SESSIONS, Data(protocol=protocol, unlabelled="pool"))


@pytest.mark.parametrize(("dev", "expected"), [("next_session", "S1"), ("previous_session", "S4")])
def test_fold_k_tests_session_k_and_a_neighbor_is_dev(dev, expected):
    split = make_folds(SESSIONS, Data(dev=dev))
    assert split.dev == dev
    assert list(split.folds) == [1, 2, 3, 4, 5]
    assert [of(fold, "test") for fold in split.folds.values()] == [["S1"], ["S2"], ["S3"], ["S4"], ["S5"]]
    assert of(split.folds[5], "dev") == [expected]
    for fold in split.folds.values():
        assert sorted(fold["train"] + fold["dev"] + fold["test"]) == sorted(BY_NAME)
        assert len(of(fold, "train")) == 3
        assert all(part == sorted(part) for part in fold.values())


def test_leave_one_speaker_out_uses_nobody_else_of_the_session():
    folds = make_folds(SESSIONS, Data(protocol="leave_one_speaker_out")).folds
    assert [of(fold, "test", "speaker") for fold in folds.values()] == [[f"S{s}{g}"] for s in range(1, 6) for g in "FM"]
    for fold in folds.values():
        (session,) = of(fold, "test")
        assert session not in of(fold, "train") + of(fold, "dev")
        assert (len(of(fold, "train")), len(of(fold, "dev"))) == (3, 1)
    assert guard_folds(folds, SESSIONS, {}, allowed=False) == {}


def test_speaker_folds_are_disjoint_even_and_depend_on_the_names_alone():
    data = Data(protocol="speaker_folds", folds=4)
    split = make_folds(CROWD, data)
    assert split.dev == "next_fold"
    assert make_folds(CROWD[::-1], data).folds == split.folds
    tested = [{utt[1:3] for utt in fold["test"]} for fold in split.folds.values()]
    assert sorted(len(speakers) for speakers in tested) == [5, 6, 6, 6]
    assert len(set.union(*tested)) == 23
    men = [sum(int(number) % 3 == 0 for number in speakers) for speakers in tested]
    assert max(men) - min(men) <= 1
    assert split.folds[4]["dev"] == split.folds[1]["test"]
    assert guard_folds(split.folds, CROWD, {}, allowed=False) == {}
    assert make_folds(CROWD, data.model_copy(update={"folds": 5})).folds.keys() == {1, 2, 3, 4, 5}


def test_more_sets_than_speakers():
    with pytest.raises(DataError, match="data.folds: 11 sets need as many speakers; there are 10"):
        make_folds(SESSIONS, Data(protocol="speaker_folds", folds=11))


def test_random_folds_leak_and_are_refused_unless_that_is_allowed():
    folds = make_folds(SESSIONS, Data(protocol="random", folds=4)).folds
    assert sorted(sum((fold["test"] for fold in folds.values()), [])) == sorted(BY_NAME)
    assert guard_folds(folds, SESSIONS, {}, allowed=True)["speaker"] > 0
    with pytest.raises(DataError, match=r"speakers are in more than one part: S\d[FM] \(.*\).*recordings are in"):
        guard_folds(folds, SESSIONS, {}, allowed=False)


def test_as_released_is_one_fold_and_lists_other_parts():
    parts = {"Train": "a1", "Development": "b1", "Test1": "c1", "Test2": "d1", "Test3": "e1"}
    utterances = [utterance(utt, utt, part=part) for part, utt in parts.items()]
    split = make_folds(utterances, Data(protocol="as_released"))
    named = {"train": ["a1"], "dev": ["b1"], "test": ["c1"], "test2": ["d1"], "test3": ["e1"]}
    assert (split.folds, split.dev) == ({1: named}, "Development")
    other = make_folds(utterances, Data(protocol="as_released", test_part="Test2")).folds[1]
    assert (other["test"], other["test1"]) == (["d1"], ["c1"])
    with pytest.raises(DataError, match="as_released needs Train, Development, Test1 in the release.*parts Train"):
        make_folds([u for u in utterances if u.part == "Train"], Data(protocol="as_released"))
    with pytest.raises(DataError, match=r"test in utt2part\); this corpus has the parts \(none\)"):
        make_folds(SESSIONS, Data(protocol="as_released"))


def test_a_leak_is_named_with_its_parts():
    fold = {"train": ["a"], "dev": ["b"], "test": ["c"], "test2": ["d"]}
    people = [utterance("a", "x", recording="r"), utterance("b", "y", recording="r"), utterance("c", "x")]
    people.append(utterance("d", "y"))
    by_name = {u.utt: u for u in people}
    assert find_leaks(fold, by_name, {"b": "same", "c": "same"}) == {
        "speaker": ["x (train and test)"],
        "recording": ["r (train and dev)"],
        "wav": ["b (dev) = c (test)"],
    }
    with pytest.raises(
        DataError, match=r"fold 7: byte-identical audio files .*: a \(train\) = c \(test\).*allow_leaks=true"
    ):
        guard_folds({7: fold}, [utterance(u, u) for u in "abcd"], {"a": "same", "c": "same"}, allowed=False)
    assert find_leaks(fold, {u: utterance(u, u) for u in "abcd"}, {}) == {}


def test_twins_on_one_side_are_no_leak():
    fold = {"train": ["a", "b"], "dev": ["c"], "test": ["d"]}
    assert find_leaks(fold, {u: utterance(u, u) for u in "abcd"}, {"a": "same", "b": "same"}) == {}


def test_two_sessions_are_too_few():
    with pytest.raises(DataError, match="need three sessions; there are 2: S1 S2"):
        make_folds([utterance("a", "x", "S1"), utterance("b", "y", "S2")], Data())
