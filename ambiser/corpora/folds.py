"""Makes the folds of every protocol: the utterances for training, for choosing epochs, and for testing."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ambiser.config.data_keys import LEAKING, Data
from ambiser.corpora.corpus import Utterance
from ambiser.corpora.disjoint_folds import recording_folds, speaker_text_folds, text_folds, unseen_test_speaker
from ambiser.corpora.rotation import PARTS, Fold, Split, add_pool, dev_step, name_dev, need_three, rotate, sort_bytewise
from ambiser.errors import DataError
from ambiser.io.files import digest
from ambiser.labels.entropy import entropy_bits

RELEASED = {"Train": "train", "Development": "dev"}
_FEWEST_FOLDS = 3


def make_folds(utterances: Sequence[Utterance], data: Data) -> Split:
    """Makes the folds of the configured protocol.

    Every part is sorted bytewise. A fold need not hold every utterance: see `leave_one_speaker_out` and
    `as_released`. With `data.unlabelled: pool`, utterances without votes are in the part pool.

    Raises:
        DataError: the corpus cannot be split that way; the message names the protocols that can be made.
    """
    pool = [u for u in utterances if not u.votes and not u.part] if data.unlabelled == "pool" else []
    if data.unlabelled == "pool":
        if not pool:
            raise DataError("data.unlabelled: every utterance has votes, so there is no pool; remove the key")
        without = {u.utt for u in pool}
        utterances = [u for u in utterances if u.utt not in without]
    if not utterances:
        raise DataError("there are no utterances to make folds of" + (", only the pool without votes" if pool else ""))
    try:
        split = PROTOCOLS[data.protocol](utterances, data)
        return add_pool(split, utterances, pool, with_speakers=data.protocol in LEAKING) if pool else split
    except DataError as error:
        possible = _possible_protocols(utterances, data)
        raise DataError(f"{error}; with this corpus data.protocol can be {', '.join(possible) or 'none'}") from error


def _possible_protocols(utterances: Sequence[Utterance], data: Data) -> list[str]:
    """Returns the protocols that can be made, with the number of folds if it must be smaller."""
    possible = []
    for name, protocol in PROTOCOLS.items():
        if name == "across_corpora":  # the lists cannot tell it from as_released
            continue
        for folds in dict.fromkeys((data.folds, _FEWEST_FOLDS)):
            try:
                protocol(utterances, data.model_copy(update={"folds": folds}))
            except DataError:
                continue
            note = f" with data.folds={folds}" if folds != data.folds else ""
            possible.append(f"{name}{' (leaks speakers)' if name in LEAKING else ''}{note}")
            break
    return possible


def leave_one_session_out(utterances: Sequence[Utterance], data: Data) -> Split:
    """Tests one session per fold: a neighbor chooses epochs, the others train."""
    groups = {u.utt: u.session for u in utterances}
    return Split(rotate(groups, step=dev_step(data), what="sessions"), data.dev)


def leave_one_speaker_out(utterances: Sequence[Utterance], data: Data) -> Split:
    """Tests one speaker per fold; the neighboring session chooses epochs, all other sessions train.

    Other speakers of the tested session are in the same recordings, so they are in no part.
    """
    sessions = sorted({u.session for u in utterances})
    need_three(sessions, "sessions")
    folds = {}
    for number, (session, speaker) in enumerate(sorted({(u.session, u.speaker) for u in utterances}), start=1):
        dev = sessions[(sessions.index(session) + dev_step(data)) % len(sessions)]
        fold: Fold = {part: [] for part in PARTS}
        for u in utterances:
            if u.session == session and u.speaker != speaker:
                continue
            fold["test" if u.session == session else "dev" if u.session == dev else "train"].append(u.utt)
        folds[number] = {part: sort_bytewise(utts) for part, utts in fold.items()}
    return Split(folds, data.dev)


def speaker_folds(utterances: Sequence[Utterance], data: Data) -> Split:
    """Deals speakers into `data.folds` sets of equal size, those of one gender evenly; fold K tests set K.

    The order of dealing follows a hash of the names, so it neither depends on chance nor on the order of recording.
    """
    gender_of = {u.speaker: u.gender for u in utterances}
    if len(gender_of) < data.folds:
        raise DataError(f"data.folds: {data.folds} sets need as many speakers; there are {len(gender_of)}")
    dealt = sorted(gender_of, key=lambda speaker: (gender_of[speaker], digest(speaker)))
    set_of = {speaker: i % data.folds for i, speaker in enumerate(dealt)}
    groups = {u.utt: set_of[u.speaker] for u in utterances}
    return Split(rotate(groups, step=dev_step(data), what="sets of speakers"), name_dev(data))


def as_released(utterances: Sequence[Utterance], data: Data) -> Split:
    """Makes one fold of the released parts: Train, Development and `data.test_part`.

    Other parts (Test2, Test3) get lists under their names in small letters.
    """
    names = {**RELEASED, data.test_part: "test"}
    fold: Fold = {part: [] for part in PARTS}
    for u in utterances:
        fold.setdefault(names.get(u.part, u.part.lower()), []).append(u.utt)
    empty = [name for name, part in names.items() if not fold[part]]
    if empty or "" in fold:
        there = ", ".join(sorted({u.part or "(none)" for u in utterances}))
        where = "the release (in a corpus of your own: train, dev, test in utt2part)"
        if data.protocol == "across_corpora":
            where = "two corpora joined by python -m ambiser.bin.join_corpora"
        needed = f"data.protocol: {data.protocol} needs {', '.join(names)} in {where}"
        raise DataError(f"{needed}; this corpus has the parts {there}")
    return Split({1: {part: sort_bytewise(utts) for part, utts in fold.items()}}, "Development")


def across_corpora(utterances: Sequence[Utterance], data: Data) -> Split:
    """Makes one fold of the lists that `join_corpora` writes: one corpus for training and dev, another for testing."""
    return replace(as_released(utterances, data), dev="of the training corpus")


def random_folds(utterances: Sequence[Utterance], data: Data) -> Split:
    """Deals utterances into `data.folds` sets without regard to speakers, to compare with papers that do so."""
    dealt = sorted((u.utt for u in utterances), key=digest)
    groups = {utt: i % data.folds for i, utt in enumerate(dealt)}
    return Split(rotate(groups, step=dev_step(data), what="utterances"), name_dev(data))


def balanced_utterances(utterances: Sequence[Utterance], data: Data) -> Split:
    """Deals utterances into `data.folds` equal sets with equal shares of ambiguous ones, without regard to speakers.

    In the order of the entropy of their outside votes (ties by a hash of the name) they are dealt in turn. So both the
    sizes of the sets and their numbers of utterances above any entropy differ by at most 1. Utterances without outside
    votes are in no part.

    Source: the split of MSP-Podcast in AmbER² (equal parts, not by speaker, balanced in ambiguous utterances: a digest
    of the paper; entropy and dealing are ours).
    """
    labels = {
        u.utt: Counter(v.label for v in u.votes if (v.source, v.slot) == ("outside", "primary")) for u in utterances
    }
    entropies = {utt: _entropy_bits(counts) for utt, counts in labels.items() if counts}
    dealt = sorted(entropies, key=lambda utt: (entropies[utt], digest(utt)))
    groups = {utt: i % data.folds for i, utt in enumerate(dealt)}
    return Split(rotate(groups, step=dev_step(data), what="utterances"), name_dev(data))


def _entropy_bits(counts: Counter) -> float:
    """Returns the entropy of vote shares in bits."""
    shares = np.array([sorted(counts.values())], float) / counts.total()  # (1, labels)
    return float(entropy_bits(shares)[0])


PROTOCOLS: dict[str, Callable[[Sequence[Utterance], Data], Split]] = {
    "leave_one_session_out": leave_one_session_out,
    "leave_one_speaker_out": leave_one_speaker_out,
    "speaker_folds": speaker_folds,
    "unseen_test_speaker": unseen_test_speaker,
    "speaker_text_folds": speaker_text_folds,
    "as_released": as_released,
    "across_corpora": across_corpora,
    "recording_folds": recording_folds,
    "text_folds": text_folds,
    "random": random_folds,
    "balanced_utterances": balanced_utterances,
}
