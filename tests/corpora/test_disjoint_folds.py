"""Folds for one and two speakers, and folds whose parts share no text."""

from dataclasses import replace
from pathlib import Path

import pytest

from ambiser.config.data_keys import LEAKING, Data
from ambiser.corpora.corpus import Utterance, Vote
from ambiser.corpora.folds import make_folds
from ambiser.corpora.leaks import find_leaks, guard_folds
from ambiser.corpora.rotation import PARTS
from ambiser.errors import DataError


def make(speakers, texts, recordings=True):
    """Returns one utterance per speaker and text; a recording has the texts of one speaker in threes."""
    return [
        Utterance(
            f"{s}_{t:02d}", Path(f"{s}_{t:02d}"), s, "f", s, "neu", f"Text number {t}, {t}!", (), (),
            recording=f"{s}r{t // 3}" if recordings else "",
        )
        for s in speakers
        for t in range(texts)
    ]  # fmt: skip


def folds_of(utterances, protocol, **keys):
    return make_folds(utterances, Data(corpus="kaldi", protocol=protocol, **keys))


def check_whole(folds, utterances):
    """Every utterance is in one part of each fold, and is tested once."""
    names = sorted(u.utt for u in utterances)
    for fold in folds.values():
        assert sorted(utt for part in PARTS for utt in fold[part]) == names
        assert all(fold[part] == sorted(fold[part]) != [] for part in PARTS)
    assert sorted(utt for fold in folds.values() for utt in fold["test"]) == names


def test_two_speakers_each_are_tested_by_a_model_of_the_other():
    utterances = make("ab", 30)
    split = folds_of(utterances, "unseen_test_speaker")
    check_whole(split.folds, utterances)
    assert [{utt[0] for utt in fold["test"]} for fold in split.folds.values()] == [{"a"}, {"b"}]
    assert [len(fold["dev"]) for fold in split.folds.values()] == [6, 6]
    assert split.dev == "a fifth of the training speakers' utterances"
    by_name = {u.utt: u for u in utterances}
    for fold in split.folds.values():
        leaks = find_leaks(fold, by_name, {})
        assert [line.split(" (")[1] for line in leaks["speaker"]] == ["train and dev)"], (
            "dev shares speakers on purpose"
        )
        assert "recording" not in leaks, "whole recordings are dev"
    assert guard_folds(split.guarded(), utterances, {}, allowed=False) == {}


def test_without_recordings_dev_is_a_fifth_of_the_utterances():
    split = folds_of(make("ab", 30, recordings=False), "unseen_test_speaker")
    assert [len(fold["dev"]) for fold in split.folds.values()] == [6, 6]


def test_one_speaker_has_folds_of_recordings_that_are_marked_as_leaking():
    utterances = make("a", 30)
    split = folds_of(utterances, "recording_folds")
    check_whole(split.folds, utterances)
    counts = guard_folds(split.guarded(), utterances, {}, allowed="recording_folds" in LEAKING)
    assert counts == {"speaker": 5}, "and no recording"


def test_text_folds_share_no_sentence():
    utterances = make("abc", 10)
    split = folds_of(utterances, "text_folds")
    check_whole(split.folds, utterances)
    for fold in split.folds.values():
        texts = [{utt[2:] for utt in fold[part]} for part in PARTS]
        assert not (texts[0] & texts[1] or texts[0] & texts[2] or texts[1] & texts[2])


def test_case_and_punctuation_do_not_make_another_text():
    a, b, *others = make("a", 10)
    same = [Utterance(u.utt, u.wav, "a", "f", "a", "neu", t, (), ()) for u, t in ((a, "Oh, NO!"), (b, "oh no"))]
    for fold in folds_of([*same, *others], "text_folds", folds=3).folds.values():
        assert any({a.utt, b.utt} <= set(fold[part]) for part in PARTS)


def test_speaker_text_folds_share_neither():
    utterances = make("abcdefgh", 12)
    split = folds_of(utterances, "speaker_text_folds", folds=4)
    for fold in split.folds.values():
        for place in (slice(0, 1), slice(2, None)):  # speaker, text
            parts = [{utt[place] for utt in fold[part]} for part in PARTS]
            assert all(parts) and not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
        assert [len(fold[part]) for part in PARTS] == [24, 6, 6]


@pytest.mark.parametrize(
    ("utterances", "protocol", "message"),
    [
        (
            make("a", 30),
            "speaker_folds",
            r"data.folds: 5 sets need as many speakers; there are 1; with this corpus data.protocol can be "
            r"recording_folds \(leaks speakers\), text_folds \(leaks speakers\), random \(leaks speakers\)$",
        ),
        (
            make("ab", 30, recordings=False),
            "leave_one_session_out",
            r"need three sessions; there are 2: a b; with this corpus data.protocol can be unseen_test_speaker, text_",
        ),
        (make("a", 30), "unseen_test_speaker", "unseen_test_speaker needs two speakers; there is only a; with"),
        (make("ab", 9, recordings=False), "recording_folds", "needs the recording of every utterance .utt2rec or seg"),
        (
            make("abcde", 3),
            "text_folds",
            "5 sets need as many texts; there are 3; .*text_folds .leaks.* with data.folds=3",
        ),
        (make("abc", 2), "across_corpora", "across_corpora needs Train, .* in two corpora joined by"),
    ],
)
def test_a_protocol_that_cannot_be_made_names_those_that_can(utterances, protocol, message):
    with pytest.raises(DataError, match=message):
        folds_of(utterances, protocol)


def voted(utterances, number):
    """Gives votes to the first utterances of each speaker."""
    vote = (Vote("r1", "outside", "neu"),)
    return [replace(u, votes=vote if int(u.utt[2:]) < number else ()) for u in utterances]


@pytest.mark.parametrize("protocol", ["speaker_folds", "unseen_test_speaker", "recording_folds"])
def test_utterances_without_votes_are_the_pool_of_the_training_speakers(protocol):
    utterances = voted(make("abcdef", 20), 15)
    by_name = {u.utt: u for u in utterances}
    split = folds_of(utterances, protocol, unlabelled="pool")
    for fold in split.folds.values():
        assert fold["pool"] == sorted(fold["pool"]) and all(not by_name[utt].votes for utt in fold["pool"])
        assert all(by_name[utt].votes for part in PARTS for utt in fold[part])
        parts = ("test",) if split.shared_dev else ("test", "dev")
        for attribute in ("speaker", "recording"):
            held_out = {getattr(by_name[utt], attribute) for part in parts for utt in fold[part]}
            if not (attribute == "speaker" and protocol in LEAKING):
                assert not held_out & {getattr(by_name[utt], attribute) for utt in fold["pool"]}
    expected = {"speaker_folds": [15, 15, 20, 20, 20], "unseen_test_speaker": [25] * 6}.get(protocol)
    sizes = sorted(len(fold["pool"]) for fold in split.folds.values())
    assert expected is None or sizes == expected


def test_a_pool_that_cannot_be_made():
    with pytest.raises(DataError, match="every utterance has votes, so there is no pool; remove the key"):
        folds_of(voted(make("abcdef", 6), 6), "speaker_folds", unlabelled="pool")
    only_a = [u for u in voted(make("abcdef", 6), 4) if u.votes or u.speaker == "a"]
    with pytest.raises(DataError, match="fold . has no utterance without votes of its training speakers"):
        folds_of(only_a, "speaker_folds", unlabelled="pool")


def test_texts_are_needed():
    silent = [Utterance(u.utt, u.wav, u.speaker, "f", "s", "neu", "", (), ()) for u in make("abcdef", 6)]
    for protocol in ("text_folds", "speaker_text_folds"):
        with pytest.raises(DataError, match=f"{protocol} needs the texts, and no utterance has words"):
            folds_of(silent, protocol)
