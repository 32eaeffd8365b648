"""Computes scores that depend on ranks for many resamples at once: entropy correlation, areas under ROC curves.

Ranks are not sums over speakers, so they are computed anew for every resample: utterances are sorted once, and the
cumulative sum of how often each was drawn gives their ranks. Ties share their mean rank. An area alone needs only the
number of utterance pairs in the right order, which is a sum over pairs of speakers, or over utterances if there are too
many pairs. Both are exact: they add halves. With few speakers, ranks are sums over speakers too (`speaker_ranks`).
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy.sparse import csr_array

from ambiser.scoring.speaker_ranks import SpeakerRanks, sums_are_cheaper

CELLS = 65536  # largest array of a chunk, in numbers: a few such arrays fit into the cache
LEVEL_CELLS = 2**22  # largest array of levels and speakers: 32 MiB
THREADS = min(2, os.cpu_count() or 1)
RANK_SCORES = ("entropy_correlation", "no_majority_auroc", "no_majority_aupr")


def rank_scores(
    voted: np.ndarray, predicted: np.ndarray, *, without: np.ndarray, speaker: np.ndarray, drawn: np.ndarray
) -> dict[str, np.ndarray]:
    """Returns the scores of every resample, (R,) each, NaN where they are undefined.

    Args:
        voted, predicted: (N,) entropies.
        without: (N,) true for utterances without a majority.
        speaker: (N,) column in `drawn` of each utterance.
        drawn: (R, S) how often each speaker was drawn.
    """
    kind = SpeakerRanks if sums_are_cheaper(len(voted), *drawn.shape) else _Plan
    plan = kind(voted, predicted, without, speaker)
    parts = _map_chunks(plan.scores, drawn, plan.size)
    values = np.concatenate(parts, axis=1) if parts else np.zeros((len(RANK_SCORES), 0))
    return dict(zip(RANK_SCORES, values, strict=True))


def macro_area(probs: np.ndarray, hard: np.ndarray, *, speaker: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Returns the area under the ROC curve, mean over classes, of every resample: (R,), NaN where it is undefined.

    Args:
        probs: (N, C) predictions.
        hard: (N,) reference classes or -1; those without are left out.
        speaker, drawn: as in `rank_scores`.
    """
    known = hard >= 0
    areas = [
        area(values, hard[known] == label, speaker=speaker[known], drawn=drawn)
        for label, values in enumerate(probs[known].T)
    ]
    return np.mean(areas, axis=0)


def area(values: np.ndarray, positive: np.ndarray, *, speaker: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Returns the area under the ROC curve of every resample: (R,), NaN without positives or without negatives.

    Args:
        values: (N,) the higher, the more likely positive.
        positive: (N,) true for positive utterances.
        speaker, drawn: as in `rank_scores`.
    """
    if not pairs_are_cheaper(len(values), *drawn.shape):
        return _area_over_utterances(values, positive, speaker, drawn)
    times = drawn.astype(float)
    in_order, sizes = _pairs_in_order(values, positive, speaker, drawn.shape[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        return ((times @ in_order) * times).sum(axis=1) / (times @ sizes).prod(axis=1)


def pairs_are_cheaper(utterances: int, resamples: int, speakers: int) -> bool:
    """Whether an area takes less time by pairs of speakers than over utterances, by times measured on one core."""
    return speakers * (utterances / 2 + resamples * speakers / 100) < resamples * utterances


def _area_over_utterances(
    values: np.ndarray, positive: np.ndarray, speaker: np.ndarray, drawn: np.ndarray
) -> np.ndarray:
    """Returns what `area` returns, with the time and memory of R passes over N utterances."""
    negatives, positives = (rows[np.argsort(values[rows])] for rows in map(np.flatnonzero, (~positive, positive)))
    owners = speaker[negatives], speaker[positives]
    # A positive is in order with the negatives below it, and by half with those that tie.
    lower, upper = (np.searchsorted(values[negatives], values[positives], side) for side in ("left", "right"))

    def areas(chunk: np.ndarray) -> np.ndarray:
        low, high = (chunk.take(owner, axis=1) for owner in owners)  # (r, negatives), (r, positives)
        through = np.zeros((len(chunk), len(negatives) + 1))
        np.cumsum(low, axis=1, out=through[:, 1:])
        below = through.take(lower, axis=1) + through.take(upper, axis=1)  # (r, positives)
        with np.errstate(divide="ignore", invalid="ignore"):  # holds in this thread only
            return np.einsum("rn,rn->r", high, below) / 2 / (through[:, -1] * high.sum(axis=1))

    parts = _map_chunks(areas, drawn, len(values))
    return np.concatenate(parts) if parts else np.zeros(0)


def _pairs_in_order(
    values: np.ndarray, positive: np.ndarray, speaker: np.ndarray, speakers: int
) -> tuple[np.ndarray, np.ndarray]:
    """Counts pairs of a positive of one speaker and a negative of another in which the positive is higher.

    Returns:
        (S, S) counts, a tie is half a pair, and the (S, 2) numbers of negatives and positives per speaker.
    """
    levels, place = np.unique(values[positive], return_inverse=True)
    owners = csr_array((np.ones(len(place)), (speaker[positive], place)), shape=(speakers, len(levels)))
    ties = [np.searchsorted(levels, values[~positive], side) for side in ("left", "right")]
    owner, in_order, below = speaker[~positive], np.zeros((speakers, speakers)), np.zeros(speakers)
    for start in range(0, len(levels), step := max(1, LEVEL_CELLS // speakers)):
        stop = min(start + step, len(levels))
        counts = np.zeros((stop - start, speakers))  # of negatives below each level, without those of earlier blocks
        for places in ties:  # a tie counts as half a pair
            inside = (places >= start) & (places < stop)
            np.add.at(counts, (places[inside] - start, owner[inside]), 0.5)
        counts[0] += below
        below = np.cumsum(counts, axis=0, out=counts)[-1].copy()
        in_order += owners[:, start:stop] @ counts
    sizes = np.stack([np.bincount(speaker[kind], minlength=speakers) for kind in (~positive, positive)], axis=1)
    return in_order, sizes.astype(float)


def _map_chunks(work: Callable[[np.ndarray], np.ndarray], drawn: np.ndarray, size: int) -> list[np.ndarray]:
    """Returns `work` of each chunk of the resamples; `size` counts the numbers per resample."""
    chunks = list(_chunks(drawn, size))
    if len(chunks) < 2:  # starting threads takes longer
        return [work(chunk) for chunk in chunks]
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(work, chunks))


def _chunks(drawn: np.ndarray, utterances: int) -> Iterator[np.ndarray]:
    step = max(1, CELLS // max(utterances, 1))
    for start in range(0, len(drawn), step):
        yield drawn[start : start + step].astype(float)


class _Plan:
    """Holds the sorted utterances and their ties, which are the same for all resamples."""

    def __init__(self, voted: np.ndarray, predicted: np.ndarray, without: np.ndarray, speaker: np.ndarray) -> None:
        order = np.argsort(predicted, kind="stable")
        self.speaker, self.size = speaker[order], len(order)
        self.first, self.last = _ties(predicted[order])
        self.positives = np.flatnonzero(without[order])
        self.first_positive, _ = _ties(predicted[order][self.positives])
        distinct, self.group = np.unique(voted[order], return_inverse=True)
        places, shape = (self.group, self.speaker), (len(distinct), int(speaker.max(initial=0)) + 1)
        self.members = csr_array((np.ones(len(order)), places), shape=shape)  # (G, S) utterances
        self.members.sum_duplicates()

    def scores(self, drawn: np.ndarray) -> np.ndarray:
        """Returns the scores (3, r) of a chunk (r, S) of draws."""
        with np.errstate(divide="ignore", invalid="ignore"):
            weights = drawn.take(self.speaker, axis=1)  # (r, N)
            total = weights.sum(axis=1, keepdims=True)
            low, high = _before_and_through(weights, self.first, self.last)
            rank = (low + high + 1) / 2
            rho, varied = self._correlation(drawn, weights, rank - (total + 1) / 2)
            return np.stack([rho, *self._areas(weights, rank, total[:, 0], low, varied)])

    def _correlation(self, drawn: np.ndarray, weights: np.ndarray, centered: np.ndarray) -> tuple:
        mass = (self.members @ drawn[:, : self.members.shape[1]].T).T  # (r, G) utterances of each voted entropy
        rank = np.cumsum(mass, axis=1) - (mass - 1) / 2 - (weights.sum(axis=1, keepdims=True) + 1) / 2
        spread_voted = (mass * rank**2).sum(axis=1)
        weighted = weights * centered
        spread = np.einsum("rn,rn->r", weighted, centered)
        product = np.einsum("rn,rn->r", weighted, rank.take(self.group, axis=1))
        varied = spread > 1e-9
        rho = np.where(varied & (spread_voted > 1e-9), product / np.sqrt(spread * spread_voted), np.nan)
        return rho, varied

    def _areas(
        self, weights: np.ndarray, rank: np.ndarray, total: np.ndarray, low: np.ndarray, varied: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns AUROC by the sum of the positives' ranks, and average precision."""
        own = weights.take(self.positives, axis=1)  # (r, P)
        positives = own.sum(axis=1)
        negatives = total - positives
        above = np.einsum("rn,rn->r", own, rank.take(self.positives, axis=1)) - positives * (positives + 1) / 2
        hits = positives[:, None] - _before(own, self.first_positive)
        reached = total[:, None] - low.take(self.positives, axis=1)
        precision = np.where(reached > 0, hits / reached, 0.0)
        defined = (positives > 0) & (negatives > 0) & varied
        aupr = np.einsum("rn,rn->r", own, precision) / positives
        return np.where(defined, above / (positives * negatives), np.nan), np.where(defined, aupr, np.nan)


def _ties(ordered: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Returns the first and last index of the tie at each index; None, None when all values differ."""
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(ordered) else np.array([])
    if len(starts) == len(ordered):
        return None, None
    lengths = np.diff([*starts, len(ordered)])
    return np.repeat(starts, lengths), np.repeat(starts + lengths - 1, lengths)


def _before_and_through(weights: np.ndarray, first: np.ndarray | None, last: np.ndarray | None) -> tuple:
    """Returns the cumulative weight before and through the tie at each index, (r, N) each."""
    through = np.cumsum(weights, axis=1)
    before = through - weights
    return (before, through) if first is None else (before.take(first, axis=1), through.take(last, axis=1))


def _before(weights: np.ndarray, first: np.ndarray | None) -> np.ndarray:
    before = np.cumsum(weights, axis=1) - weights
    return before if first is None else before.take(first, axis=1)
