"""Computes intervals of scores by resampling speakers, since utterances of one speaker are not independent.

Means, confusion matrices and bins are sums over speakers, so a resample is a product of these sums with the number of
times that each speaker was drawn; ranks are computed anew with these numbers as weights. The result equals scoring the
repeated utterances.
"""

from collections.abc import Collection

import numpy as np
from scipy.sparse import csr_array
from scipy.special import ndtr, ndtri

from ambiser.labels.entropy import entropy_bits
from ambiser.scoring.ground_distance import GroundDistance
from ambiser.scoring.metrics import above_uniform
from ambiser.scoring.rank_scores import RANK_SCORES, macro_area, rank_scores
from ambiser.scoring.reliability import bin_numbers
from ambiser.scoring.score_names import HARD
from ambiser.scoring.utterance_scores import PROBABILITY_FLOOR, utterance_scores
from ambiser.scoring.vote_agreement import agreement_totals

BLOCK_CELLS = 2**24
"""Numbers of resamples times speakers that are converted at once: 128 MiB."""
DEFINED_SHARE = 0.95
"""A score has an interval if it is defined in at least this share of the resamples."""


def draw_speakers(speakers: int, resamples: int, seed: int) -> np.ndarray:
    """Returns (R, S) how often each speaker occurs in a resample: S speakers drawn with replacement.

    The draw depends only on the arguments, so two systems scored on the same speakers have the same resamples.
    """
    generator = np.random.default_rng(seed)
    return generator.multinomial(speakers, np.full(speakers, 1 / speakers), size=resamples)


def leave_one_out(speakers: int) -> np.ndarray:
    """Returns the (S, S) resamples of the jackknife: row i has every speaker once, except speaker i."""
    return 1 - np.eye(speakers, dtype=int)


def bca_intervals(
    values: dict[str, np.ndarray], level: float, *, scores: dict[str, float | None], jackknife: dict[str, np.ndarray]
) -> dict[str, list[float] | None]:
    """Returns [low, high] of each score, bias-corrected and accelerated.

    With z0 the normal quantile of the share of resamples below the score, and a the acceleration (the skewness of the
    jackknife's values over six), the percentile taken for z is that of z0 + (z0 + z) / (1 - a (z0 + z)).

    Args:
        values, level: as in `percentile_intervals`, and with its rule for undefined resamples.
        scores: the scores themselves.
        jackknife: (S,) per score, from `leave_one_out`.

    Source: Efron, Better bootstrap confidence intervals, JASA 1987.
    """
    intervals = percentile_intervals(values, level)
    for name, interval in intervals.items():
        if interval is None or scores[name] is None:
            intervals[name] = None
            continue
        drawn, left = (array[np.isfinite(array)] for array in (values[name], jackknife[name]))
        below = np.mean(drawn < scores[name]) + np.mean(drawn == scores[name]) / 2
        if len(left) < 2 or not 0 < below < 1:
            continue  # no correction is possible: the percentile interval is kept
        gap = left.mean() - left
        acceleration = (gap**3).sum() / max(6 * (gap**2).sum() ** 1.5, 1e-300)
        bias, tails = ndtri(below), ndtri([(1 - level) / 2, (1 + level) / 2])
        corrected = ndtr(bias + (bias + tails) / (1 - acceleration * (bias + tails)))
        intervals[name] = [float(x) for x in np.percentile(drawn, 100 * corrected)]
    return intervals


def percentile_intervals(values: dict[str, np.ndarray], level: float) -> dict[str, list[float] | None]:
    """Returns [low, high] of each score by the percentile method.

    Resamples in which a score is undefined do not count; None when more than 5 % of them are.

    Args:
        values: (R,) per score, NaN where it is undefined.
        level: for example 0.95.
    """
    tail = 100 * (1 - level) / 2
    intervals: dict[str, list[float] | None] = dict.fromkeys(values)
    whole = [name for name, drawn in values.items() if len(drawn) > 1 and np.isfinite(drawn).all()]
    if whole:  # all at once takes a fifth of the time
        ends = np.percentile(np.stack([values[name] for name in whole]), [tail, 100 - tail], axis=1)  # (2, K)
        intervals |= dict(zip(whole, ends.T.tolist(), strict=True))
    for name in values.keys() - set(whole):
        drawn = values[name]
        defined = drawn[np.isfinite(drawn)]
        enough = len(defined) >= DEFINED_SHARE * len(drawn) and len(defined) > 1
        intervals[name] = [float(x) for x in np.percentile(defined, [tail, 100 - tail])] if enough else None
    return intervals


def resampled_scores(
    *,
    probs: np.ndarray,
    soft: np.ndarray,
    hard: np.ndarray,
    counts: np.ndarray,
    speaker: np.ndarray,
    drawn: np.ndarray,
    bins: int,
    ground: GroundDistance | None = None,
    wanted: Collection[str] | None = None,
) -> dict[str, np.ndarray]:
    """Returns the scores of every resample, (R,) each, NaN where it is undefined.

    Args:
        probs, soft, hard, counts: as in `ambiser.scoring.metrics`.
        speaker: (N,) which column of `drawn` an utterance belongs to.
        drawn: (R, S) from `draw_speakers`.
        bins: of the calibration error.
        ground: distances between classes; None: 1 between any two.
        wanted: scores that are needed; others are left out where that saves time. None: all.
    """
    places = (speaker, np.arange(len(probs)))
    by_speaker = csr_array((np.ones(len(probs)), places), shape=(drawn.shape[1], len(probs)))  # (S, N)
    blocks = _blocks(drawn)

    def total(values: np.ndarray) -> np.ndarray:
        """Sums (N, K) per speaker and then per resample: (R, K)."""
        sums = by_speaker @ values  # (S, K)
        return np.concatenate([block.astype(float, copy=False) @ sums for block in blocks])

    with np.errstate(divide="ignore", invalid="ignore"):
        size = total(np.ones((len(probs), 1)))[:, 0]
        each = utterance_scores(probs, soft, ground)
        means = total(np.stack(list(each.values()), axis=1)) / size[:, None]
        scores = {name: means[:, i] for i, name in enumerate(each)}
        scores |= _hard_scores(total, probs.argmax(axis=1), hard, probs.shape[1])
        scores["nll_per_vote_nats"] = _nll_per_vote(total, probs, counts)
        scores["r2_determination"] = _r2_determination(total, probs, soft, size)
        scores["ece"] = _calibration_error(total, probs, hard, bins)
        scores["macro_auroc"] = macro_area(probs, hard, speaker=speaker, drawn=drawn)
        scores["multilabel_macro_f1"] = _multilabel(total, probs, soft)
        scores |= agreement_totals(probs, counts, total)
        if wanted is None or set(wanted) & set(RANK_SCORES):  # ranks take most of the time
            voted, predicted = entropy_bits(soft), entropy_bits(probs)
            scores |= rank_scores(voted, predicted, without=hard < 0, speaker=speaker, drawn=drawn)
    return scores


def _blocks(drawn: np.ndarray) -> list[np.ndarray]:
    """Returns resamples in blocks; a single one is converted for all products, others at each, to save memory."""
    step = max(1, BLOCK_CELLS // max(drawn.shape[1], 1))
    if len(drawn) <= step:
        return [drawn.astype(float)]
    return [drawn[start : start + step] for start in range(0, len(drawn), step)]


def _hard_scores(total: object, predicted: np.ndarray, hard: np.ndarray, classes: int) -> dict[str, np.ndarray]:
    cells = np.zeros((len(hard), classes * classes))
    known = np.flatnonzero(hard >= 0)
    cells[known, hard[known] * classes + predicted[known]] = 1
    confusion = total(cells).reshape(-1, classes, classes)  # (R, reference, predicted)
    right, support, guessed = np.einsum("rcc->rc", confusion), confusion.sum(axis=2), confusion.sum(axis=1)
    known_total = support.sum(axis=1)
    f1 = np.where(right > 0, 2 * right / (support + guessed), 0.0)
    complete = (support > 0).all(axis=1)
    values = (
        right.sum(axis=1) / known_total,
        np.where(complete, (right / support).mean(axis=1), np.nan),
        np.where(complete, f1.mean(axis=1), np.nan),
        (f1 * support).sum(axis=1) / known_total,
    )
    return dict(zip(HARD, values, strict=True))


def _multilabel(total: object, probs: np.ndarray, soft: np.ndarray) -> np.ndarray:
    said, voted = above_uniform(probs), above_uniform(soft)
    right, sizes = total((said & voted).astype(float)), total(said.astype(float) + voted)
    f1 = np.where(right > 0, 2 * right / sizes, 0.0)
    return np.where((total(voted.astype(float)) > 0).all(axis=1), f1.mean(axis=1), np.nan)


def _nll_per_vote(total: object, probs: np.ndarray, counts: np.ndarray) -> np.ndarray:
    nll = -(counts * np.log(np.maximum(probs, PROBABILITY_FLOOR))).sum(axis=1)  # (N,)
    votes = total(np.stack([nll, counts.sum(axis=1)], axis=1))  # (R, 2)
    return votes[:, 0] / votes[:, 1]


def _r2_determination(total: object, probs: np.ndarray, soft: np.ndarray, size: np.ndarray) -> np.ndarray:
    residual = total((soft - probs) ** 2)
    center = soft.mean(axis=0)  # the spread is the same about any origin; an origin near the mean loses no digits
    first, second = total(soft - center), total((soft - center) ** 2)
    spread = second - first**2 / size[:, None]
    return np.where((spread > 1e-9).all(axis=1), (1 - residual / spread).mean(axis=1), np.nan)


def _calibration_error(total: object, probs: np.ndarray, hard: np.ndarray, bins: int) -> np.ndarray:
    known = np.flatnonzero(hard >= 0)
    confidence = probs.max(axis=1)
    where = bin_numbers(confidence, bins)
    gap = np.zeros((len(probs), bins))
    gap[known, where[known]] = confidence[known] - (probs.argmax(axis=1) == hard)[known]
    return np.abs(total(gap)).sum(axis=1) / total((hard >= 0).astype(float)[:, None])[:, 0]
