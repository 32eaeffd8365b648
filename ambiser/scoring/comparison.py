"""Compares systems on the same utterances: differences with intervals and p-values.

Would a difference hold for other speakers? The paired bootstrap draws speakers and scores both systems on the same
ones. Would it hold for other training runs? The corrected resampled t-test takes the differences over seeds and folds,
whose training sets overlap. Bootstrap p-values are corrected by Holm's method within families of comparisons.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ambiser.config import Config
from ambiser.errors import DataError
from ambiser.io.forks import map_in_forks
from ambiser.scoring.bootstrap import percentile_intervals
from ambiser.scoring.compared_groups import ComparedGroup, find_groups, metrics_of, usual_scores
from ambiser.scoring.groups import INTERVAL_LEVEL, Fold
from ambiser.scoring.results import Results
from ambiser.scoring.score_names import Metric
from ambiser.scoring.seed_scores import Key, SeedScores, paired_folds, pool_folds, score_seeds
from ambiser.scoring.significance import bootstrap_p, corrected_t_test, holm
from ambiser.scoring.stamp import APART, NOTED, differing

FEW_SPEAKERS = 8
"""With fewer speakers, resamples are too much alike: of two speakers, every second resample holds only one."""


@dataclass(frozen=True)
class Contender:
    """A system: its results and folds per seed, in the same order, and its configuration (None when imported)."""

    name: str
    results: Sequence[Results]
    runs: Sequence[Mapping[int, Fold]]
    config: Config | None

    def score(self, metric: str) -> float | None:
        """Returns the mean over seeds of the pooled score, None when one seed has none."""
        values = [one.scores.pooled.scores[metric] for one in self.results]
        return None if None in values else float(np.mean(values))


@dataclass(frozen=True)
class Difference:
    """One score of a system (other) against that of the first one (base), averaged over seeds.

    `group` names the utterances; it is empty for all of them. `runs` counts the pairs of seed and fold behind `p_t`.
    """

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
    group: str = ""

    @property
    def value(self) -> float | None:
        """Other minus base."""
        missing = self.base_score is None or self.other_score is None
        return None if missing else self.other_score - self.base_score


@dataclass(frozen=True)
class Family:
    """Comparisons whose p-values are corrected together: their scores, and how many comparisons have a p-value."""

    scores: tuple[str, ...]
    comparisons: int


@dataclass(frozen=True)
class Comparison:
    """Systems, the differences of each to the first one, and how they were computed.

    Attributes:
        contenders: the systems, the first one is the base.
        differences: ordered by system, group and score.
        families: of Holm's correction.
        resamples: of the speakers.
        by: one of `DIVISIONS`, or empty for all utterances.
        groups: of utterances, a single one without a name if `by` is empty.
    """

    contenders: Sequence[Contender]
    differences: Sequence[Difference]
    families: Sequence[Family]
    resamples: int
    by: str
    groups: Sequence[ComparedGroup]

    def metric(self, name: str) -> Metric:
        """Returns how a score is shown."""
        return metrics_of(self.by)[name]


def compare(
    contenders: Sequence[Contender],
    *,
    bins: int,
    resamples: int,
    metrics: Sequence[str] = (),
    by: str = "",
    families: Sequence[Sequence[str]] = (),
    seed: int = 0,
) -> Comparison:
    """Compares every system with the first one.

    Args:
        contenders: two or more, scored on the same utterances.
        bins: of the calibration error.
        resamples: of the speakers.
        metrics: the scores to compare; empty: the usual ones.
        by: one of `DIVISIONS`, or empty for all utterances.
        families: scores whose p-values are corrected together; the scores in none of them are one more family.
        seed: of the resamples.

    Raises:
        DataError: two systems were not scored alike; every differing key of the stamp is named.
    """
    _check_comparable(contenders)
    metrics, stamp = list(metrics) or usual_scores(by), contenders[0].results[0].stamp
    pool = pool_folds(contenders[0].runs[0], bins)
    groups = find_groups(by, pool, class_names=stamp.class_names, levels=stamp.score["levels"])
    seeds = [[result.stamp.seed for result in one.results] for one in contenders]

    def measure(place: int) -> list[SeedScores]:
        return score_seeds(seeds[place], contenders[place].runs, groups, metrics, bins, resamples, seed)

    measured = list(map_in_forks(measure, range(len(contenders))))
    rows = []
    for other, scores in zip(contenders[1:], measured[1:], strict=True):
        for key in scores[0].drawn:
            rows += _difference(contenders[0].name, other.name, key, measured[0], scores)
    rows, made = correct(rows, families)
    return Comparison(contenders, rows, made, resamples, by, groups)


def correct(rows: Sequence[Difference], families: Sequence[Sequence[str]]) -> tuple[list[Difference], list[Family]]:
    """Corrects the p-values of each family by Holm's method; scores in no family are one more family."""
    named = {metric for family in families for metric in family}
    rest = [row.metric for row in rows if row.metric not in named]
    corrected, made = list(rows), []
    for family in (*families, list(dict.fromkeys(rest))):
        places = [i for i, row in enumerate(rows) if row.metric in family]
        for i, p in zip(places, holm([rows[i].p for i in places]), strict=True):
            corrected[i] = replace(rows[i], p_holm=p)
        if places:
            made.append(Family(tuple(family), sum(rows[i].p is not None for i in places)))
    return corrected, made


def _check_comparable(contenders: Sequence[Contender]) -> None:
    base = contenders[0]
    for other in contenders[1:]:
        for one in other.results:
            lines = differing(base.results[0].stamp, one.stamp, APART)
            if lines:
                raise DataError(f"{base.name} and {other.name} cannot be compared, they differ in {'; '.join(lines)}")


def _difference(
    base: str, other: str, key: Key, base_scores: Sequence[SeedScores], other_scores: Sequence[SeedScores]
) -> list[Difference]:
    """Returns the difference in one score of one group, not yet corrected; none if a group has no such score."""
    values = [np.mean([one.drawn[key] for one in scores], axis=0) for scores in (base_scores, other_scores)]  # (1 + R,)
    group, metric = key
    if group and not any(np.isfinite(drawn[0]) for drawn in values):
        return []
    gaps = values[1][1:] - values[0][1:]  # (R,)
    interval = percentile_intervals({metric: gaps}, INTERVAL_LEVEL)[metric]
    pairs, ratio = paired_folds(base_scores, other_scores, key)
    row = Difference(
        base=base,
        other=other,
        metric=metric,
        base_score=_known(values[0][0]),
        other_score=_known(values[1][0]),
        interval=interval,
        p=None if interval is None else bootstrap_p(gaps),
        p_holm=None,
        p_t=corrected_t_test(pairs, ratio),
        runs=len(pairs),
        group=group,
    )
    return [row]


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


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
