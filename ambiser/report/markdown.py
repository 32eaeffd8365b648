"""The long tables of RESULTS.md; the same results give the same bytes."""

from collections.abc import Iterable

from ambiser.report.comparable import (
    MADE_UP,
    ResultTable,
    before_and_after,
    group_columns,
    make_tables,
    pooled,
    warnings,
)
from ambiser.report.shown_scores import (
    CALIBRATED,
    CLASS_SCORES,
    DISTRIBUTION_SCORES,
    FLOORS,
    FOLD_SCORES,
    HUMAN,
    LEVEL_SCORES,
)
from ambiser.report.table_facts import STAMP_HEADER, kind_line, level_line, shared_stamp, stamp_rows
from ambiser.report.text_table import markdown_table
from ambiser.scoring.metrics import METRICS
from ambiser.scoring.results import OverFolds, Summary

_HEAD = """\
# Results

Made by stage 8 from the results of the experiments; not meant to be edited.
"""
_READING = """\
`0.683 ± 0.004 [0.651, 0.712]` is the mean over seeds, its deviation over them where there are several, and the 95 %
interval from resamples of the speakers (with several seeds: the mean of its ends). `-` is a score that is undefined.
The last rows are floors: predictors that have heard nothing. Above them, single raters: each in turn against the
distribution of the others, which is a harder target than that of all.
"""


def render_markdown(results: Iterable[Summary]) -> str:
    """Returns the text of RESULTS.md: a section for each set of comparable results, and a glossary."""
    results = list(results)
    if not results:
        return _HEAD + "\nThere are no results yet.\n"
    parts = [_HEAD, _READING]
    for table in make_tables(results):
        parts += _section(table)
    parts += ["## Words\n", _glossary()]
    return "\n".join(parts)


def _section(table: ResultTable) -> list[str]:
    parts = [f"## {table.title()}\n"]
    made_up = [MADE_UP] if table.first.stamp.made_up else []
    parts += [f"**{line}**\n" for line in [*made_up, *warnings(table)]]
    if table.apart:
        parts.append("Differs from the first table (first / here): " + "; ".join(table.apart) + ".\n")
    parts += [_score_table(table, "Class", CLASS_SCORES), _score_table(table, "Distribution", DISTRIBUTION_SCORES)]
    parts += [*(f"* {note}" for note in table.notes), ""] if table.notes else []
    parts += ["### By level of ambiguity\n", level_line(table) + "\n", _group_table(table, "levels")]
    parts += ["### By kind\n", kind_line(table) + "\n", _group_table(table.same_kinds(), "kinds")]
    if table.first.scores.genders:
        parts += ["### By gender of the speaker\n", _group_table(table, "genders")]
    parts += _calibration(table)
    parts += ["### Mean ± deviation over folds\n", _fold_table(table)]
    shared = "".join(f"* {name}: {value}\n" for name, value in shared_stamp(table))
    parts += ["### What was scored\n", shared, markdown_table(STAMP_HEADER, stamp_rows(table))]
    return parts


def _score_table(table: ResultTable, title: str, metrics: tuple[str, ...]) -> str:
    header = [title, *(f"{METRICS[name].title} {METRICS[name].arrow}" for name in metrics)]
    rows = [[row.label, *(row.cell(name, pooled).text() for name in metrics)] for row in table.rows]
    rows += [[HUMAN, *(table.human(name, pooled).text() for name in metrics)]]
    rows += [[label, *(table.floor(name, key, pooled).text() for name in metrics)] for key, label in FLOORS.items()]
    return markdown_table(header, [row for row in rows if set(row[1:]) != {"-"}])


def _group_table(table: ResultTable, section: str) -> str:
    columns = group_columns(table, section, LEVEL_SCORES)
    header = ["", *(f"{METRICS[metric].title}, {name}" for metric, _, name in columns)]
    rows = [[row.label, *(row.cell(metric, where).text(False) for metric, where, _ in columns)] for row in table.rows]
    prior = [table.floor(metric, "prior", where).text() for metric, where, _ in columns]
    human = [table.human(metric, where).text() for metric, where, _ in columns]
    ceiling = [] if set(human) == {"-"} else [[HUMAN, *human]]
    return markdown_table(header, [*rows, *ceiling, [FLOORS["prior"], *prior]])


def _calibration(table: ResultTable) -> list[str]:
    """Returns the section on calibration: the scores before and after it, where there was one."""
    rows = [[label, *cells] for label, cells in before_and_after(table)]
    header = ["Calibration", *(METRICS[metric].title for metric in CALIBRATED)]
    return ["### Before and after calibration\n", markdown_table(header, rows)] if rows else []


def _fold_table(table: ResultTable) -> str:
    rows = []
    for row in table.rows:
        for one in row.results:
            label = f"{row.label}, seed {one.stamp.seed}" if len(row.results) > 1 else row.label
            rows.append([label, *(_over_folds(one.scores.over_folds[metric]) for metric in FOLD_SCORES)])
    return markdown_table(["", *(METRICS[name].title for name in FOLD_SCORES)], rows)


def _over_folds(score: OverFolds) -> str:
    deviation = "" if score.deviation is None else f" ± {score.deviation:.3f}"
    return "-" if score.mean is None else f"{score.mean:.3f}{deviation}"


def _glossary() -> str:
    return "".join(f"* {metric.title}: {metric.meaning} ({metric.better} is better)\n" for metric in METRICS.values())
