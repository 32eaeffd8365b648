"""Scores prediction sets: coverage and size of all utterances, by level of ambiguity and by speaker."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ambiser.config.score_keys import Score
from ambiser.scoring.bootstrap import percentile_intervals
from ambiser.scoring.conformal import CALIBRATIONS, SetRule, calibration_shares
from ambiser.scoring.set_results import CalibratedSets, PredictionSets, SetGroup

_NAMES = ("coverage", "majority_coverage", "size")


@dataclass(frozen=True)
class FoldSets:
    """Thresholds of one fold and the sets of its test part, both by calibration: (C,) and (N, C)."""

    rule: SetRule
    thresholds: Mapping[str, np.ndarray]
    sets: Mapping[str, np.ndarray]


def set_rule(score: Score) -> SetRule:
    """Returns the rule that the section `score` of a configuration asks for."""
    return SetRule(score.sets, score.sets_coverage, score.sets_per_class, score.sets_penalty, score.sets_free_ranks)


def fold_sets(
    rule: SetRule, probs: np.ndarray, *, dev: np.ndarray, dev_soft: np.ndarray, dev_hard: np.ndarray
) -> FoldSets:
    """Calibrates on dev and makes the sets of the test part.

    Args:
        rule: how sets are made.
        probs: (N, C) predicted for the test part.
        dev: (M, C) predicted for the dev part.
        dev_soft: (M, C) vote shares.
        dev_hard: (M,) majorities, -1 for none.
    """
    thresholds = {by: rule.thresholds(dev, calibration_shares(by, dev_soft, dev_hard)) for by in CALIBRATIONS}
    return FoldSets(rule, thresholds, {by: rule.sets(probs, values) for by, values in thresholds.items()})


def score_sets(
    pool: object,
    folds: Mapping[int, FoldSets],
    levels: list[tuple[np.ndarray, dict[str, object]]],
    *,
    used: str,
    interval_level: float,
) -> PredictionSets:
    """Scores the sets of all folds.

    Args:
        pool: the `PooledFolds` of the same folds, in the same order.
        folds: by number.
        levels: from `ambiser.scoring.group_masks.level_masks`.
        used: the calibration that predictions use.
        interval_level: of the intervals, from resamples of the speakers.
    """
    rule = next(iter(folds.values())).rule
    by = {}
    for calibration in CALIBRATIONS:
        held = np.concatenate([one.sets[calibration] for one in folds.values()])  # (N, C)
        sums = _sums(held, pool.soft, pool.hard)
        everything = np.ones(len(held), dtype=bool)
        by[calibration] = CalibratedSets(
            pooled=_group("all", everything, sums, pool, interval_level),
            levels=[_group(str(about["name"]), mask, sums, pool, interval_level) for mask, about in levels],
            speakers=_speakers(sums, pool),
            sizes=np.bincount(held.sum(axis=1), minlength=held.shape[1] + 1)[1:].tolist(),
            thresholds={number: one.thresholds[calibration] for number, one in folds.items()},
        )
    return PredictionSets(**vars(rule), used=used, by=by)


def _sums(held: np.ndarray, soft: np.ndarray, hard: np.ndarray) -> np.ndarray:
    """Returns (N, 5): 1, share of votes covered, whether there is a majority, whether it is covered, and size."""
    known = hard >= 0
    hit = held[np.arange(len(held)), np.maximum(hard, 0)] & known
    columns = [np.ones(len(held)), (held * soft).sum(axis=1), known, hit, held.sum(axis=1)]
    return np.stack([column.astype(float) for column in columns], axis=1)


def _ratios(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Returns coverage, coverage of majorities and size, (R,) each, from sums (R, 5) as in `_sums`."""
    with np.errstate(invalid="ignore", divide="ignore"):
        values = sums[:, 1] / sums[:, 0], sums[:, 3] / sums[:, 2], sums[:, 4] / sums[:, 0]
    return dict(zip(_NAMES, values, strict=True))


def _group(name: str, mask: np.ndarray, sums: np.ndarray, pool: object, level: float) -> SetGroup:
    values = {key: value[0] for key, value in _ratios(sums[mask].sum(axis=0, keepdims=True)).items()}
    intervals: dict[str, list[float] | None] = dict.fromkeys(_NAMES)
    if len(pool.drawn) and len(np.unique(pool.speaker[mask])) > 1:
        intervals = percentile_intervals(_ratios(pool.drawn @ _by_speaker(sums * mask[:, None], pool)), level)
    return SetGroup(
        name, int(mask.sum()), **values, **{f"{key}_interval": interval for key, interval in intervals.items()}
    )


def _speakers(sums: np.ndarray, pool: object) -> list[SetGroup]:
    total = _by_speaker(sums, pool)  # (S, 5)
    ratios = _ratios(total)
    return [
        SetGroup(str(name), int(total[i, 0]), **{key: values[i] for key, values in ratios.items()})
        for i, name in enumerate(pool.names)
    ]


def _by_speaker(sums: np.ndarray, pool: object) -> np.ndarray:
    """Returns the (S, 5) sums of each speaker."""
    return np.stack([np.bincount(pool.speaker, weights=column, minlength=len(pool.names)) for column in sums.T], axis=1)
