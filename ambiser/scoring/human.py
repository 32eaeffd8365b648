"""Computes the human ceiling: every rater in turn scored as a system, against the distribution of the others.

With few raters, scores by level of ambiguity say little: with two votes against one, only the single rater faces a
majority, since each of the two faces a tie.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from itertools import pairwise

import numpy as np

from ambiser.scoring.ground_distance import GroundDistance
from ambiser.scoring.metrics import score_all
from ambiser.scoring.score_names import Scores

WITHOUT = ("kl_nats", "nll_per_vote_nats", "agreement_gap", "agreement_correlation")
"""Scores that are None for a rater: a single vote gives the other classes probability 0, and log 0 dominates; as a
distribution it expects all raters to agree."""
BLOCK = 10_000
"""Utterances at once; memory grows with their sums of squared numbers of votes."""


@dataclass(frozen=True)
class Answers:
    """M answers of single raters, and the utterance's other votes as reference.

    probs, soft, counts (M, C) and hard (M,) are as in `ambiser.scoring.metrics`: probs is the rater's answer, the
    others are from the remaining raters; row (M,) is the index of the utterance.
    """

    probs: np.ndarray
    soft: np.ndarray
    hard: np.ndarray
    counts: np.ndarray
    row: np.ndarray

    def scores(self, chosen: np.ndarray, bins: int, ground: GroundDistance | None = None) -> Scores:
        """Scores the answers of a mask (M,)."""
        parts = {name: getattr(self, name)[chosen] for name in ("probs", "soft", "hard", "counts")}
        return score_all(**parts, bins=bins, ground=ground) | dict.fromkeys(WITHOUT)


def leave_one_out_answers(votes: object, view: Callable[[object], object], utts: list[str]) -> Answers:
    """Leaves out each rater of every utterance in turn.

    The label policies apply to the single rater and to the others: an answer outside the classes, or others with a
    majority outside the classes, do not count.

    Args:
        votes: a table of votes (`ambiser.labels.label_view.VoteTable`).
        view: turns a table into labels by the policies (`ambiser.labels.label_view.view_labels`).
        utts: the utterances that are scored, in the order that `row` counts.
    """
    row_of = {utt: i for i, utt in enumerate(utts)}
    rows = np.fromiter((row_of.get(utt, -1) for utt in votes.utts), np.int64, len(votes.utts))[votes.utt]
    used = np.flatnonzero(rows >= 0)
    used = used[np.argsort(rows[used], kind="stable")]
    starts = range(0, max(len(utts), 1), BLOCK)
    bounds = np.searchsorted(rows[used], [*starts, len(utts)])
    parts = [_answers(votes, view, used[low:high], rows[used[low:high]]) for low, high in pairwise(bounds)]
    return Answers(**{one.name: np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(Answers)})


def _answers(votes: object, view: Callable[[object], object], used: np.ndarray, rows: np.ndarray) -> Answers:
    """Returns the answers to some utterances.

    Args:
        votes, view: as in `leave_one_out_answers`.
        used: (E,) entries of the table, sorted by utterance.
        rows: (E,) index of the utterance of each.
    """
    who = (rows * len(votes.raters) + votes.rater[used]) * 2 + votes.source[used]
    voters, voter = np.unique(who, return_inverse=True)  # sorted by utterance, as rows are
    voter_row = voters // (2 * len(votes.raters))
    base = int(rows.min(initial=0))
    first = np.searchsorted(voter_row, np.arange(base, int(rows.max(initial=0)) + 1))
    size = np.bincount(voter_row - base, minlength=len(first))

    own = rows - base
    entry = np.repeat(np.arange(len(used)), size[own])
    within = np.arange(len(entry)) - np.repeat(np.cumsum(size[own]) - size[own], size[own])
    left_out = first[own[entry]] + within  # the rater left out
    rest = left_out != voter[entry]
    names = [f"{i:012d}" for i in range(len(voters))]
    one = view(_table(votes, names, used, voter))
    others = view(_table(votes, names, used[entry[rest]], left_out[rest]))
    return _pair(one, others, voter_row)


def _table(votes: object, names: list[str], entries: np.ndarray, utt: np.ndarray) -> object:
    columns = {name: getattr(votes, name)[entries] for name in ("rater", "source", "slot", "label")}
    return replace(votes, utts=names, utt=utt, **columns)


def _pair(one: object, others: object, voter_row: np.ndarray) -> Answers:
    numbers = [np.fromiter(map(int, view.utts), np.int64, len(view.utts)) for view in (one, others)]
    both, a, b = np.intersect1d(*numbers, return_indices=True)
    return Answers(
        probs=one.soft[a], soft=others.soft[b], hard=others.hard[b], counts=others.counts[b], row=voter_row[both]
    )
