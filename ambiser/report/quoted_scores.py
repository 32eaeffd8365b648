"""Scores quoted from papers: egs/X/quoted.tsv, shown beside the results of a recipe and never tested against them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ambiser.errors import DataError
from ambiser.io.tables import read_tsv
from ambiser.report.comparable import ResultTable, pooled
from ambiser.report.text_table import markdown_table
from ambiser.scoring.score_names import METRICS

FILE = "quoted.tsv"
COLUMNS = ("system", "source", "score", "value")
HEADING = "Quoted scores"
READING = """\
Rows marked as quoted are copied from the source named below the table. Their features, folds and software may differ,
they have no interval, and no test compares them with results of this toolkit.
"""


@dataclass(frozen=True)
class QuotedSystem:
    """One system of a paper: its name, where it is quoted from, and its scores by name, in the digits of the source."""

    name: str
    source: str
    scores: dict[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The name in tables."""
        return f"{self.name} (quoted)"

    def cells(self, metrics: Iterable[str]) -> list[str]:
        """Returns the scores as text; `-` where the source has none."""
        return [self.scores.get(metric, "-") for metric in metrics]


def read_quoted(path: Path) -> list[QuotedSystem]:
    """Reads quoted scores, in the order of the file.

    Args:
        path: a table with the columns system, source, score (a name of METRICS) and value.

    Raises:
        DataError: a column is missing, a field is empty, a score is unknown or given twice, a value is no number, or a
            system has two sources.
    """
    systems: dict[str, QuotedSystem] = {}
    for number, row in enumerate(read_tsv(path, COLUMNS), start=2):
        name, source, score, value = (row[column].strip() for column in COLUMNS)
        system = systems.setdefault(name, QuotedSystem(name, source))
        fault = _fault(system, source, score, value)
        if fault:
            raise DataError(f"{path}:{number}: {fault}")
        system.scores[score] = value
    return list(systems.values())


def quoted_in(recipe: Path) -> list[QuotedSystem]:
    """Returns the quoted scores of a recipe; none where its folder has no quoted.tsv."""
    path = Path(recipe) / FILE
    return read_quoted(path) if path.is_file() else []


def quoted_metrics(quoted: Iterable[QuotedSystem]) -> list[str]:
    """Returns the scores that a quoted system has, in the order of METRICS."""
    known = {score for system in quoted for score in system.scores}
    return [metric for metric in METRICS if metric in known]


def quoted_sources(quoted: Sequence[QuotedSystem]) -> list[str]:
    """Returns a line for each source: the systems that are quoted from it, and the source."""
    sources = dict.fromkeys(system.source for system in quoted)
    return [f"{', '.join(one.name for one in quoted if one.source == source)}: {source}" for source in sources]


def render_quoted(quoted: Sequence[QuotedSystem], table: ResultTable | None) -> list[str]:
    """Returns a section of RESULTS.md: the experiments of a table, the quoted systems below them, and the sources.

    Args:
        quoted: nothing is returned when it is empty.
        table: experiments to show beside them, or None without results.
    """
    if not quoted:
        return []
    metrics = quoted_metrics(quoted)
    header = ["", *(f"{METRICS[metric].title} {METRICS[metric].arrow}" for metric in metrics)]
    rows = [] if table is None else table.rows
    cells = [[row.label, *(row.cell(metric, pooled).text(False) for metric in metrics)] for row in rows]
    cells += [[system.label, *system.cells(metrics)] for system in quoted]
    beside = [] if table is None else [f"Beside the experiments on {table.title()}.\n"]
    sources = "".join(f"* {line}\n" for line in quoted_sources(quoted))
    return [f"## {HEADING}\n", READING, *beside, markdown_table(header, cells), sources]


def quoted_block(quoted: Sequence[QuotedSystem], table: ResultTable) -> dict[str, object]:
    """Returns the section of the report page: the experiments of a table and the quoted systems below them."""
    metrics = quoted_metrics(quoted)
    rows = [(row.label, [[row.cell(metric, pooled).text(False)] for metric in metrics]) for row in table.rows]
    rows += [(system.label, [[cell] for cell in system.cells(metrics)]) for system in quoted]
    return {
        "heading": f"{HEADING} beside {table.title()}",
        "reading": READING,
        "header": [("", ""), *((f"{METRICS[metric].title} {METRICS[metric].arrow}", "") for metric in metrics)],
        "rows": rows,
        "sources": quoted_sources(quoted),
    }


def _fault(system: QuotedSystem, source: str, score: str, value: str) -> str:
    """Returns what is wrong with a line, or ""."""
    if not system.name or not source:
        return "system and source must not be empty; fill them in"
    if source != system.source:
        return f"{system.name} has another source above ({system.source}); give it one source or two names"
    if score not in METRICS:
        return f"unknown score {score!r}; use one of {', '.join(METRICS)}"
    if score in system.scores:
        return f"{system.name} has {score} twice; keep one"
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    return "" if math.isfinite(number) else f"value {value!r} is no number; write for example 0.683"
