"""Scores of a system per seed: of all utterances, of every resample of the speakers, and of every fold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ambiser.scoring.bootstrap import draw_speakers
from ambiser.scoring.compared_groups import ComparedGroup
from ambiser.scoring.groups import Fold, PooledFolds, Resampling

Key = tuple[str, str]
"""Group and score."""


@dataclass(frozen=True)
class SeedScores:
    """Scores of a system with one seed, NaN where they are undefined.

    Attributes:
        seed: None for an ensemble and for imported predictions.
        drawn: by key, (1 + R,): of all utterances, and then of every resample.
        folds: by fold and key.
        ratios: by fold, tested over trained utterances.
    """

    seed: int | None
    drawn: Mapping[Key, np.ndarray]
    folds: Mapping[int, Mapping[Key, float]]
    ratios: Mapping[int, float]


def pool_folds(folds: Mapping[int, Fold], bins: int) -> PooledFolds:
    """Pools the folds of one seed; draws no resamples."""
    return PooledFolds(folds, Resampling(0, 0, "percentile"), bins)


def score_seeds(
    seeds: Sequence[int | None],
    runs: Sequence[Mapping[int, Fold]],
    groups: Sequence[ComparedGroup],
    metrics: Sequence[str],
    bins: int,
    resamples: int,
    seed: int,
) -> list[SeedScores]:
    """Scores every seed of a system, on all utterances, in every resample and in every fold.

    Args:
        seeds: of the system.
        runs: its folds, in the same order.
        groups: of utterances.
        metrics: the scores.
        bins: of the calibration error.
        resamples: R.
        seed: of the resamples.
    """
    measured, drawn = [], np.zeros((0, 0), dtype=int)
    for one, folds in zip(seeds, runs, strict=True):
        pool = pool_folds(folds, bins)
        once = np.ones((1, len(pool.names)), dtype=int)  # every speaker once: the score itself
        if drawn.shape[1] != len(pool.names):  # seeds have the same speakers
            drawn = np.concatenate([once, draw_speakers(len(pool.names), resamples, seed)])  # (1 + R, S)
        everything = np.ones(len(pool.hard), dtype=bool)
        values: dict[Key, np.ndarray] = {}
        per_fold: dict[int, dict[Key, float]] = {number: {} for number in folds}
        for group in groups:
            scores = group.resample(pool, everything, drawn, metrics)
            values |= {(group.name, metric): scores[metric] for metric in metrics}
            for number in folds:
                scores = group.resample(pool, pool.fold == number, once, metrics)
                per_fold[number] |= {(group.name, metric): float(scores[metric][0]) for metric in metrics}
        ratios = {number: len(fold.hard) / max(fold.train_utterances, 1) for number, fold in folds.items()}
        measured.append(SeedScores(one, values, per_fold, ratios))
    return measured


def paired_folds(base: Sequence[SeedScores], other: Sequence[SeedScores], key: Key) -> tuple[list[float], float]:
    """Returns the differences of every seed and fold that both have, and tested over trained utterances of a fold.

    A system without seeds (an imported one) is paired with every seed of the other. The ratio is that of the whole fold
    for a group too.
    """
    pairs, ratios = [], []
    for a in base:
        for b in other:
            if len({a.seed, b.seed} - {None}) > 1:
                continue
            for number, ratio in a.ratios.items():
                gap = b.folds[number][key] - a.folds[number][key]
                if np.isfinite(gap):
                    pairs.append(gap)
                    ratios.append(ratio)
    return pairs, float(np.mean(ratios)) if ratios else 0.0
