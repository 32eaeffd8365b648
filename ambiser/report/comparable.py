"""Groups results into tables: a table holds results that can be compared, a row the seeds of one experiment.

Results are in one table only when they were scored on the same utterances with the same labels; notes below the table
name what else differs.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ambiser.errors import DataError
from ambiser.report.shown_scores import CALIBRATED
from ambiser.scoring.results import Group, Interval, Summary
from ambiser.scoring.stamp import APART, NOTED, Stamp, differing, show

LEAKED = {"recording": "recordings", "speaker": "speakers", "wav": "byte-identical audio files"}
MADE_UP = (
    "This corpus is synthetic: a program made its voices and raters. The numbers show that the recipe runs; they say "
    "nothing about people."
)
_MOST_NAMED = 6

Where = Callable[[Summary], Group | None]


@dataclass(frozen=True)
class Cell:
    """A score averaged over seeds: its deviation over them (divisor n - 1) and the mean ends of their intervals."""

    value: float | None
    deviation: float | None = None
    interval: Interval | None = None

    def text(self, interval: bool = True) -> str:
        """Returns for example `0.683 ± 0.004 [0.651, 0.712]`, or `-` for what is undefined."""
        if self.value is None:
            return "-"
        parts = [f"{self.value:.3f}"]
        if self.deviation is not None:
            parts.append(f"± {self.deviation:.3f}")
        if interval and self.interval is not None:
            parts.append(f"[{self.interval[0]:.3f}, {self.interval[1]:.3f}]")
        return " ".join(parts)


@dataclass(frozen=True)
class ExperimentRow:
    """One experiment: its label in tables and its results, one per seed."""

    label: str
    results: tuple[Summary, ...]

    @property
    def stamp(self) -> Stamp:
        """The stamp of the first seed."""
        return self.results[0].stamp

    @property
    def is_oracle(self) -> bool:
        """Whether training saw withheld references."""
        return bool(self.stamp.value("policies.oracle"))

    def cell(self, metric: str, where: Where) -> Cell:
        """Averages a score over seeds; undefined when it is undefined for one of them."""
        groups = [where(one) for one in self.results]
        scores = [group.score(metric) if group else None for group in groups]
        if any(score is None or score.value is None for score in scores):
            return Cell(None)
        values, ends = [score.value for score in scores], [score.interval for score in scores]
        deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
        interval = None if None in ends else [float(x) for x in np.mean(ends, axis=0)]
        return Cell(float(np.mean(values)), deviation, interval)

    def seeds(self) -> str:
        """Returns the seeds as text."""
        return " ".join(show(one.stamp.seed) for one in self.results)


@dataclass(frozen=True)
class ResultTable:
    """Rows that may be compared, how the stamp of the first row differs from that of the first table, and notes."""

    rows: tuple[ExperimentRow, ...]
    apart: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def first(self) -> Summary:
        """The results whose floors, counts and stamp represent the table."""
        return self.rows[0].results[0]

    def same_kinds(self) -> "ResultTable":
        """Returns the table of those rows that call the same utterances precise and ambiguous as the first one."""
        return replace(self, rows=tuple(row for row in self.rows if _kinds(row) == _kinds(self.rows[0])))

    def title(self) -> str:
        """Names corpus and folds."""
        stamp = self.first.stamp
        version = f" (version {stamp.version})" if stamp.version else ""
        return f"{stamp.corpus}{version}, {len(stamp.class_names)} classes, {describe_folds(stamp)}"

    def human(self, metric: str, where: Where) -> Cell:
        """Returns the score of single raters against the others; undefined where no utterance has two raters."""
        group = where(self.first)
        return Cell(group.human.scores[metric] if group and group.human else None)

    def floor(self, metric: str, name: str, where: Where) -> Cell:
        """Returns the score of a predictor that has heard nothing."""
        group = where(self.first)
        return Cell(group.floors[name][metric] if group else None)


def make_tables(results: Iterable[Summary], first: Collection[str] = ()) -> list[ResultTable]:
    """Sorts results into tables; rows come in the order in which they are given.

    Args:
        results: of all experiments and seeds.
        first: tags; the table with most of them comes first, of equal ones the largest.
    """
    apart: dict[str, list[Summary]] = {}
    for one in results:
        apart.setdefault(repr([one.stamp.value(key) for key in APART]), []).append(one)
    groups = sorted(
        apart.values(), key=lambda group: (sum(one.tag in first for one in group), len(group)), reverse=True
    )
    made = []
    for group in groups:
        differs = differing(groups[0][0].stamp, group[0].stamp, APART)
        made.append(ResultTable(tuple(_rows(group)), tuple(differs), tuple(_notes(group))))
    return made


def describe_folds(stamp: Stamp) -> str:
    """Returns how many folds were scored, or which ones when some are missing."""
    if stamp.folds == stamp.all_folds:
        return f"{len(stamp.folds)} folds" if len(stamp.folds) > 1 else "1 fold"
    return f"only fold{'s' * (len(stamp.folds) > 1)} {show(stamp.folds)} of {show(stamp.all_folds)}"


def warnings(table: ResultTable) -> list[str]:
    """Returns what keeps the scores of a table from being compared with those of others."""
    stamp, lines = table.first.stamp, []
    if stamp.leaks:
        lines.append(f"The split leaks: {show_leaks(stamp)} are in several parts, so these scores are too good.")
    lines += oracle_warning(table)
    if stamp.folds != stamp.all_folds:
        lines.append(f"Pooled over {describe_folds(stamp)}: not comparable with a full run.")
    return lines


def oracle_warning(table: ResultTable) -> list[str]:
    """Returns a line that names the experiments trained with withheld references, or none."""
    oracles = [row.label for row in table.rows if row.is_oracle]
    if not oracles:
        return []
    return [f"Oracles, trained with withheld references and therefore no results: {', '.join(oracles)}."]


def show_leaks(stamp: Stamp) -> str:
    """Names what more than one of training, dev and test part share."""
    return " and ".join(LEAKED[kind] for kind in stamp.leaks) or "nothing"


def pooled(results: Summary) -> Group:
    """Returns the group of all utterances."""
    return results.scores.pooled


def named(section: str, name: str) -> Where:
    """Returns a function that finds a level, kind or gender by name, or None where there is no such group."""
    return lambda results: next((group for group in getattr(results.scores, section) if group.name == name), None)


def group_columns(table: ResultTable, section: str, metrics: Sequence[str]) -> list[tuple[str, Where, str]]:
    """Returns score, where to find it and the name of the group, for the groups of a section that have scores."""
    return [
        (metric, where, group.name)
        for metric in metrics
        for group in getattr(table.first.scores, section)
        for where in [named(section, group.name)]
        if any(row.cell(metric, where).value is not None for row in table.rows)
    ]


def before_and_after(table: ResultTable) -> list[tuple[str, list[str]]]:
    """Returns a row of `CALIBRATED` scores before, and one after, for each calibrated experiment and seed."""
    rows = []
    for one in (one for row in table.rows for one in row.results if one.calibration is not None):
        scores = {
            "before": one.calibration.before,
            f"{one.calibration.kind} fitted on dev": one.scores.pooled.scores,
        }
        rows += [
            (f"{one.tag}, {when}", [Cell(of[metric]).text() for metric in CALIBRATED]) for when, of in scores.items()
        ]
    return rows


def _rows(group: list[Summary]) -> list[ExperimentRow]:
    for one in group:
        if sum(other.tag == one.tag for other in group) > 1:
            raise DataError(f"the results of {one.tag} appear twice; keep one")
    by_name: dict[tuple[str, str], list[Summary]] = {}
    for one in group:
        by_name.setdefault((one.name, one.stamp.config_hash), []).append(one)
    names = [name for name, _ in by_name]
    return [
        ExperimentRow(
            f"{name} ({config})" if names.count(name) > 1 else name,
            tuple(sorted(seeds, key=lambda one: one.stamp.seed)),
        )
        for (name, config), seeds in by_name.items()
    ]


def _kinds(row: ExperimentRow) -> tuple:
    return tuple(row.stamp.value(key) for key in ("policies.precise", "policies.ambiguous"))


def _notes(group: list[Summary]) -> list[str]:
    """Returns a line for each noted key that differs; where most have one value, only the others are named."""
    notes = []
    for key in NOTED:
        values_of: dict[str, set[str]] = {}
        for one in group:
            values_of.setdefault(one.name, set()).add(show(one.stamp.value(key)))
        who: dict[str, dict[str, None]] = {}
        for one in group:
            label = one.name if len(values_of[one.name]) == 1 else one.tag
            who.setdefault(show(one.stamp.value(key)), {})[label] = None
        if len(who) > 1:
            most = max(who, key=lambda value: len(who[value]))
            many = len(who[most]) > _MOST_NAMED
            parts = [f"{v} ({'all others' if many and v == most else ', '.join(labels)})" for v, labels in who.items()]
            notes.append(f"{key} differs: " + "; ".join(parts))
    return notes
