"""Makes folds out of groups of utterances: each group is tested once, a neighbor is dev, the others train."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ambiser.config.data_keys import Data
from ambiser.corpora.corpus import Utterance
from ambiser.errors import DataError

PARTS = ("train", "dev", "test")
_STEPS = {"next_session": 1, "previous_session": -1}

Fold = dict[str, list[str]]


@dataclass(frozen=True)
class Split:
    """The folds of a corpus by number (from 1).

    Attributes:
        dev: what chooses epochs, in words.
        shared_dev: whether the dev part is of the training speakers and recordings.
    """

    folds: dict[int, Fold]
    dev: str
    shared_dev: bool = False

    def guarded(self) -> dict[int, Fold]:
        """Returns the folds whose parts may share no speaker and recording; a shared dev part counts as training."""
        if not self.shared_dev:
            return self.folds
        return {
            k: {"train": fold["train"] + fold["dev"], "dev": [], "test": fold["test"]} for k, fold in self.folds.items()
        }


def add_pool(split: Split, utterances: Sequence[Utterance], pool: Sequence[Utterance], *, with_speakers: bool) -> Split:
    """Adds the part pool to each fold: utterances without votes that share nothing with its dev and test part.

    Args:
        split: of the utterances with votes.
        utterances: with votes.
        pool: without votes.
        with_speakers: the pool may have speakers of dev and test, as the training part of a leaking protocol does.

    Raises:
        DataError: a fold would have no pool.
    """
    by_name = {u.utt: u for u in utterances}
    folds: dict[int, Fold] = {}
    for number, fold in split.folds.items():
        held_out = [by_name[utt] for part in ("test", *([] if split.shared_dev else ["dev"])) for utt in fold[part]]
        speakers = set() if with_speakers else {u.speaker for u in held_out}
        recordings = {u.recording for u in held_out if u.recording}
        chosen = [u.utt for u in pool if u.speaker not in speakers and u.recording not in recordings]
        if not chosen:
            raise DataError(f"data.unlabelled: fold {number} has no utterance without votes of its training speakers")
        folds[number] = fold | {"pool": sort_bytewise(chosen)}
    return replace(split, folds=folds)


def dev_step(data: Data) -> int:
    """Returns how many groups the dev part is after the test part."""
    return _STEPS[data.dev]


def name_dev(data: Data) -> str:
    """Returns what chooses epochs, for folds that are no sessions."""
    return data.dev.replace("session", "fold")


def rotate(group_of: Mapping[str, object], *, step: int, what: str) -> dict[int, Fold]:
    """Tests every group once; the one `step` further (after the last comes the first) is dev, the others train."""
    groups = sorted(set(group_of.values()))
    need_three(groups, what)
    members: dict[object, list[str]] = {group: [] for group in groups}
    for utt in sort_bytewise(group_of):
        members[group_of[utt]].append(utt)
    folds = {}
    for index, tested in enumerate(groups):
        dev = groups[(index + step) % len(groups)]
        train = sort_bytewise(utt for group in groups if group not in (tested, dev) for utt in members[group])
        folds[index + 1] = {"train": train, "dev": members[dev], "test": members[tested]}
    return folds


def need_three(groups: Sequence[object], what: str) -> None:
    """Raises DataError if there are fewer than three groups."""
    if len(groups) < 3:
        there = " ".join(map(str, groups))
        raise DataError(f"train, dev and test need three {what}; there are {len(groups)}: {there}")


def sort_bytewise(utts: Iterable[str]) -> list[str]:
    """Sorts names as LC_ALL=C does."""
    return sorted(utts, key=lambda utt: utt.encode("utf-8"))
