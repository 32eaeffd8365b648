"""Rows and groups of results: what may stand in one table, and the mean over seeds that each cell shows.

Results stand in one table only when they were scored on the same utterances with the same labels; what else differs
between them is said in notes below it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ambiser.errors import DataError
from ambiser.scoring.results import Results

APART = (
    "corpus",
    "version",
    "made_up",
    "classes",
    "class_names",
    "protocol",
    "dev",
    "leaks",
    "folds",
    "all_folds",
    "test_set",
    "software",
    "score.ece_bins",
    "score.levels",
    "policies.other_votes",
    "policies.other_majority",
    "policies.no_majority",
    "policies.ties",
    "policies.include_self",
    "policies.multi_label",
    "policies.secondary_weight",
    "policies.aggregate",
)
"""Keys of the stamp that keep results in tables of their own."""
NOTED = (
    "policies.precise",
    "policies.ambiguous",
    "policies.smoothing",
    "score.calibration",
    "score.interval",
    "score.resamples",
    "commit",
)
"""Keys that may differ within a table, and are then named under it."""
CLASS_SCORES = ("accuracy", "ua", "macro_f1", "weighted_f1", "macro_auroc", "ece")
DISTRIBUTION_SCORES = ("bc", "jsd_bits", "r2_pearson", "r2_determination", "entropy_correlation")
LEVEL_SCORES = ("accuracy", "bc", "jsd_bits")
CALIBRATED = ("ece", "nll_per_vote_nats", "jsd_bits", "bc", "accuracy")
LEAKED = {"recording": "recordings", "speaker": "speakers", "wav": "byte-identical wavs"}
FLOORS = {"uniform": "uniform", "prior": "class prior", "majority": "majority class"}
_MOST_NAMED = 6
HUMAN = "single raters"
"""The row of the ceiling: each rater in turn against the distribution of the others."""
MADE_UP = (
    "The corpus is made up: its voices and its raters come from a program. These numbers show that the recipe "
    "runs; they say nothing about people."
)

Group = Mapping[str, object]
Where = Callable[[Results], Group | None]


@dataclass(frozen=True)
class Cell:
    """A score averaged over seeds: its deviation over them (divisor n - 1) and the mean ends of their intervals."""

    value: float | None
    deviation: float | None = None
    interval: tuple[float, float] | None = None

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
class Row:
    """One experiment: its label in tables and its results, one for each seed."""

    label: str
    results: tuple[Results, ...]

    def cell(self, metric: str, where: Where) -> Cell:
        """Averages a score over seeds; undefined when it is undefined with one of them."""
        groups = [where(one) for one in self.results]
        values = [group["scores"][metric] if group else None for group in groups]
        if None in values:
            return Cell(None)
        deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
        ends = [group.get("intervals", {}).get(metric) for group in groups]
        interval = None if None in ends else tuple(float(x) for x in np.mean(ends, axis=0))
        return Cell(float(np.mean(values)), deviation, interval)

    def seeds(self) -> str:
        """Returns the seeds as text."""
        return " ".join(show(one["stamp"]["seed"]) for one in self.results)


@dataclass(frozen=True)
class Table:
    """Rows that may be compared, how the first row's stamp differs from the first table's, and notes."""

    rows: tuple[Row, ...]
    apart: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def first(self) -> Results:
        """The results whose floors, counts and stamp speak for the table."""
        return self.rows[0].results[0]

    def same_kinds(self) -> "Table":
        """Returns the table of those rows that call the same utterances precise and ambiguous as the first one."""
        return replace(self, rows=tuple(row for row in self.rows if _kinds(row) == _kinds(self.rows[0])))

    def title(self) -> str:
        """Names corpus and folds."""
        stamp = self.first["stamp"]
        version = f" (version {stamp['version']})" if stamp["version"] else ""
        return f"{stamp['corpus']}{version}, {len(stamp['class_names'])} classes, {describe_folds(stamp)}"

    def human(self, metric: str, where: Where) -> Cell:
        """Returns the score of single raters against the others; undefined where no utterance has two raters."""
        group = where(self.first)
        return Cell(group["human"]["scores"][metric] if group and "human" in group else None)

    def floor(self, metric: str, name: str, where: Where) -> Cell:
        """Returns the score of a predictor that has heard nothing."""
        group = where(self.first)
        return Cell(group["floors"][name][metric] if group else None)


def tables(results: Iterable[Results]) -> list[Table]:
    """Sorts results into tables, the largest first; rows come in the order in which they are given."""
    apart: dict[str, list[Results]] = {}
    for one in results:
        apart.setdefault(repr([_key(one, key) for key in APART]), []).append(one)
    groups = sorted(apart.values(), key=len, reverse=True)
    made = []
    for group in groups:
        differs = differing(groups[0][0], group[0], APART)
        made.append(Table(tuple(_rows(group)), tuple(differs), tuple(_notes(group))))
    return made


def differing(a: Results, b: Results, keys: Iterable[str]) -> list[str]:
    """Returns `key: value of a / value of b` for every key of the stamp in which two results differ."""
    return [f"{key}: {show(_key(a, key))} / {show(_key(b, key))}" for key in keys if _key(a, key) != _key(b, key)]


def describe_folds(stamp: Mapping[str, object]) -> str:
    """Says how many folds, or which of them when some are missing."""
    if stamp["folds"] == stamp["all_folds"]:
        return f"{len(stamp['folds'])} folds" if len(stamp["folds"]) > 1 else "1 fold"
    return f"only fold{'s' * (len(stamp['folds']) > 1)} {show(stamp['folds'])} of {show(stamp['all_folds'])}"


def warnings(table: Table) -> list[str]:
    """Returns what keeps the scores of a table from being compared with those of others."""
    stamp, lines = table.first["stamp"], []
    if stamp["leaks"]:
        lines.append(f"The split leaks: {show_leaks(stamp)} stand in several parts, so these scores are too good.")
    if stamp["folds"] != stamp["all_folds"]:
        lines.append(f"Pooled over {describe_folds(stamp)}: not comparable with a full run.")
    return lines


def show_leaks(stamp: Mapping[str, object]) -> str:
    """Says of what kind of thing some stand in more than one of training, dev and test part."""
    return " and ".join(LEAKED[kind] for kind in stamp["leaks"]) or "nothing"


def pooled(results: Results) -> Group:
    """Returns the group of all utterances."""
    return results["scores"]["pooled"]


def named(section: str, name: str) -> Where:
    """Returns a function that finds a level or a kind by name, or None where there is no such group."""
    return lambda results: next((group for group in results["scores"][section] if group["name"] == name), None)


def before_and_after(table: Table) -> list[tuple[str, list[str]]]:
    """Returns a row of `CALIBRATED` scores before, and one after, for each calibrated experiment and seed."""
    rows = []
    for one in (one for row in table.rows for one in row.results if "calibration" in one):
        scores = {
            "before": one["calibration"]["before"],
            f"{one['calibration']['kind']} fitted on dev": one["scores"]["pooled"]["scores"],
        }
        rows += [
            (f"{one['tag']}, {when}", [Cell(of[metric]).text() for metric in CALIBRATED]) for when, of in scores.items()
        ]
    return rows


def show(value: object) -> str:
    """Returns a value of the stamp as a person writes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == "":
        return "-"
    if isinstance(value, list | tuple):
        return " ".join(show(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {show(item)}" for key, item in value.items())
    return str(value)


def _key(results: Results, dotted: str) -> object:
    value: object = results["stamp"]
    for key in dotted.split("."):
        value = value.get(key)
    return value


def _rows(group: list[Results]) -> list[Row]:
    for one in group:
        if sum(other["tag"] == one["tag"] for other in group) > 1:
            raise DataError(f"the results of {one['tag']} stand twice; keep one of them")
    by_name: dict[tuple[str, str], list[Results]] = {}
    for one in group:
        by_name.setdefault((one["name"], one["stamp"]["config_hash"]), []).append(one)
    names = [name for name, _ in by_name]
    return [
        Row(
            f"{name} ({config})" if names.count(name) > 1 else name,
            tuple(sorted(seeds, key=lambda one: one["stamp"]["seed"])),
        )
        for (name, config), seeds in by_name.items()
    ]


def _kinds(row: Row) -> tuple:
    return tuple(_key(row.results[0], key) for key in ("policies.precise", "policies.ambiguous"))


def _notes(group: list[Results]) -> list[str]:
    """Says which values of the noted keys which experiments have; where most have one, only the others are named."""
    notes = []
    for key in NOTED:
        values_of: dict[str, set[str]] = {}
        for one in group:
            values_of.setdefault(one["name"], set()).add(show(_key(one, key)))
        who: dict[str, dict[str, None]] = {}
        for one in group:
            label = one["name"] if len(values_of[one["name"]]) == 1 else one["tag"]
            who.setdefault(show(_key(one, key)), {})[label] = None
        if len(who) > 1:
            most = max(who, key=lambda value: len(who[value]))
            many = len(who[most]) > _MOST_NAMED
            parts = [f"{v} ({'all others' if many and v == most else ', '.join(labels)})" for v, labels in who.items()]
            notes.append(f"{key} differs: " + "; ".join(parts))
    return notes
