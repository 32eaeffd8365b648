"""Comparison of systems on the same utterances: differences with intervals and p-values.

Would a difference hold for other speakers? The paired bootstrap draws speakers and scores both systems on the same
ones. Would it hold for other training runs? The corrected resampled t-test takes the differences over seeds and folds,
whose training sets overlap. Bootstrap p-values are corrected for the number of comparisons in the table (Holm).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import t as student_t

from ambiser.errors import DataError
from ambiser.scoring.bootstrap import draw_speakers, percentile_intervals
from ambiser.scoring.groups import INTERVAL_LEVEL, Fold, PooledFolds, Resampling
from ambiser.scoring.results import Results
from ambiser.scoring.stamp import APART, NOTED, differing

COMPARED = ("accuracy", "ua", "macro_f1", "bc", "jsd_bits", "r2_pearson", "r2_determination", "ece")
FEW_SPEAKERS = 8
"""Fewer than these are too few to resample: of two, every second resample holds but one."""
Runs = Mapping[str, Mapping[int, Fold]]


@dataclass(frozen=True)
class Contender:
    """A system: the results of each seed, their folds by tag, and the resolved configuration (empty when imported)."""

    name: str
    results: Sequence[Results]
    runs: Runs
    config: Mapping[str, object]

    def score(self, metric: str) -> float | None:
        """Returns the mean over seeds of the pooled score, None when one seed has none."""
        values = [one.scores.pooled.scores[metric] for one in self.results]
        return None if None in values else float(np.mean(values))


@dataclass(frozen=True)
class Difference:
    """One score of a system (other) against that of the first one (base), averaged over seeds."""

    base: str
    other: str
    metric: str
    base_score: float | None
    other_score: float | None
    interval: list[float] | None
    p: float | None
    p_holm: float | None
    p_t: float | None
    runs: int

    @property
    def value(self) -> float | None:
        """Other minus base."""
        missing = self.base_score is None or self.other_score is None
        return None if missing else self.other_score - self.base_score


def compare(
    contenders: Sequence[Contender], *, bins: int, resamples: int, metrics: Sequence[str] = COMPARED, seed: int = 0
) -> list[Difference]:
    """Compares every system with the first one.

    Args:
        contenders: two or more, scored on the same utterances.
        bins: of the calibration error.
        resamples: of the speakers.
        metrics: the scores to compare.
        seed: of the resamples.

    Raises:
        DataError: two systems were not scored alike; every differing key of the stamp is named.
    """
    base = contenders[0]
    _check_comparable(contenders)
    drawn = [_resample(one, bins, resamples, seed) for one in contenders]
    rows = []
    for other, values in zip(contenders[1:], drawn[1:], strict=True):
        gaps = {metric: values[metric] - drawn[0][metric] for metric in metrics}  # (R,) each
        rows += _differences(base, other, gaps)
    corrected = holm([row.p for row in rows])
    return [replace(row, p_holm=p) for row, p in zip(rows, corrected, strict=True)]


def _check_comparable(contenders: Sequence[Contender]) -> None:
    base = contenders[0]
    for other in contenders[1:]:
        for one in other.results:
            lines = differing(base.results[0].stamp, one.stamp, APART)
            if lines:
                raise DataError(f"{base.name} and {other.name} cannot be compared, they differ in {'; '.join(lines)}")


def _differences(base: Contender, other: Contender, gaps: Mapping[str, np.ndarray]) -> list[Difference]:
    """Returns the differences between two systems, not yet corrected by Holm.

    Args:
        base: the first system.
        other: the second one.
        gaps: (R,) other minus base in every resample, by score.
    """
    intervals = percentile_intervals(gaps, INTERVAL_LEVEL)
    rows = []
    for metric, gap in gaps.items():
        pairs, ratio = paired_folds(base.results, other.results, metric)
        row = Difference(
            base=base.name,
            other=other.name,
            metric=metric,
            base_score=base.score(metric),
            other_score=other.score(metric),
            interval=intervals[metric],
            p=None if intervals[metric] is None else bootstrap_p(gap),
            p_holm=None,
            p_t=corrected_t_test(pairs, ratio),
            runs=len(pairs),
        )
        rows.append(row)
    return rows


def bootstrap_p(gaps: np.ndarray) -> float:
    """Returns the two-sided p-value of no difference: twice the smaller share of resamples on either side of 0.

    One is added to counts and resamples, so that no p-value is smaller than the resamples can show.
    """
    known = gaps[np.isfinite(gaps)]
    side = min((known <= 0).sum(), (known >= 0).sum())
    return float(min(1.0, 2 * (side + 1) / (len(known) + 1)))


def corrected_t_test(differences: Sequence[float], ratio: float) -> float | None:
    """Returns the two-sided p-value of the corrected resampled t-test, None with fewer than two differences.

    With J differences of mean d and variance s2 (divisor J - 1), t = d / sqrt((1 / J + ratio) s2) on J - 1 degrees of
    freedom. The plain t-test has no ratio and takes overlapping training sets for independent ones.

    Args:
        differences: of each seed and fold.
        ratio: tested over trained utterances of a fold.

    Source: Nadeau and Bengio, Inference for the generalization error, Machine Learning 2003.
    """
    count = len(differences)
    if count < 2:
        return None
    mean, variance = float(np.mean(differences)), float(np.var(differences, ddof=1))
    if variance == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * student_t.sf(abs(mean) / np.sqrt((1 / count + ratio) * variance), count - 1))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Returns p-values corrected by Holm's step-down method; None stays None and does not count."""
    known = [i for i, p in enumerate(p_values) if p is not None]
    order = sorted(known, key=lambda i: p_values[i])
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[i]))
        corrected[i] = largest
    return corrected


def paired_folds(base: Sequence[Results], other: Sequence[Results], metric: str) -> tuple[list[float], float]:
    """Returns the differences of every seed and fold that both have, and tested over trained utterances of a fold.

    A system without seeds (an imported one) is paired with every seed of the other.
    """
    pairs, ratios = [], []
    for a in base:
        for b in other:
            seeds = {a.stamp.seed, b.stamp.seed}
            if len(seeds - {None}) > 1:
                continue
            for number, fold in a.scores.folds.items():
                values = [one.scores.folds[number].scores[metric] for one in (a, b)]
                if None not in values:
                    pairs.append(values[1] - values[0])
                    ratios.append(fold.utterances / max(fold.train_utterances, 1))
    return pairs, float(np.mean(ratios)) if ratios else 0.0


def comparison_notes(contenders: Sequence[Contender]) -> list[str]:
    """Returns what a reader of the comparison must know: few speakers, and what differs in the stamps."""
    base, notes = contenders[0], []
    speakers = base.results[0].scores.pooled.speakers
    if speakers < FEW_SPEAKERS:
        notes.append(f"only {speakers} speakers: intervals and p-values from resamples of so few are too small")
    for other in contenders[1:]:
        for line in differing(base.results[0].stamp, other.results[0].stamp, NOTED):
            notes.append(f"{base.name} / {other.name} differ in {line}")
    return notes


def _resample(contender: Contender, bins: int, resamples: int, seed: int) -> dict[str, np.ndarray]:
    """Returns the mean over seeds of every score in every resample."""
    parts = []
    for folds in contender.runs.values():
        pool = PooledFolds(folds, Resampling(0, 0, "percentile"), bins)
        drawn = draw_speakers(len(pool.names), resamples, seed)
        parts.append(pool.resample(np.ones(len(pool.hard), dtype=bool), drawn))
    return {metric: np.mean([part[metric] for part in parts], axis=0) for metric in parts[0]}
