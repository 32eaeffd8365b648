"""Comparisons as text, Markdown, LaTeX and CSV."""

import csv
import io
import re
from collections.abc import Callable, Sequence

from ambiser.config import differing_keys
from ambiser.report.comparable import Cell, ExperimentRow, pooled
from ambiser.report.text_table import aligned, markdown_table
from ambiser.scoring.comparison import Contender, Difference, comparison_notes
from ambiser.scoring.score_names import METRICS

_READING = """\
Difference: the system minus the first one, with its 95 % interval from a paired bootstrap over speakers. p: of that
bootstrap, two-sided; p (Holm): corrected for all comparisons of the table. p (t): corrected resampled t-test over
seeds and folds (Nadeau and Bengio). Arrows say which way is better.
"""
_COLUMNS = ("score", "first", "system", "difference", "95 % interval", "p", "p (Holm)", "p (t)", "runs")


def render_comparison(contenders: Sequence[Contender], rows: Sequence[Difference], form: str) -> str:
    """Returns a comparison as `text`, `markdown`, `latex` or `csv`."""
    return FORMS[form](contenders, rows)


def _markdown(contenders: Sequence[Contender], rows: Sequence[Difference]) -> str:
    parts = ["# Comparison\n", "Made by stage 8; not meant to be edited.\n", _READING]
    header, scores = _scores(contenders, rows)
    parts += ["## Scores\n", markdown_table(header, scores)]
    for contender in contenders[1:]:
        parts.append(f"## {contender.name} against {contenders[0].name}\n")
        parts.append(markdown_table(_COLUMNS, [_cells(row) for row in rows if row.other == contender.name]))
        parts.append("Differing keys:\n\n" + "".join(f"* {line}\n" for line in _keys(contenders[0], contender)))
    notes = comparison_notes(contenders)
    return "\n".join(parts) + ("\n" + "".join(f"* {note}\n" for note in notes) if notes else "")


def _text(contenders: Sequence[Contender], rows: Sequence[Difference]) -> str:
    header, scores = _scores(contenders, rows)
    parts = ["\n".join(aligned([header, *scores], "  "))]
    for contender in contenders[1:]:
        cells = [_cells(row) for row in rows if row.other == contender.name]
        parts.append(f"{contender.name} against {contenders[0].name}\n" + "\n".join(aligned([_COLUMNS, *cells], "  ")))
        parts.append("\n".join(f"  {line}" for line in _keys(contenders[0], contender)))
    return "\n\n".join([*parts, *comparison_notes(contenders)]) + "\n"


def _latex(contenders: Sequence[Contender], rows: Sequence[Difference]) -> str:
    metrics = list(dict.fromkeys(row.metric for row in rows))
    titles = [_tex(METRICS[metric].title) for metric in metrics]
    significant = {(row.other, row.metric): row.p_holm is not None and row.p_holm < 0.05 for row in rows}
    lines = [
        "% needs \\usepackage{booktabs}; * differs from the first row, p < 0.05 (paired bootstrap over speakers, Holm)",
    ]
    scores = []
    for contender in contenders:
        cells = []
        for metric in metrics:
            star = "$^{*}$" if significant.get((contender.name, metric)) else ""
            cells.append(_number(contender.score(metric)) + star)
        scores.append([_tex(contender.name), *cells])
    lines += _tabular(["System", *titles], scores)
    for contender in contenders[1:]:
        lines += ["", f"% {contender.name} against {contenders[0].name}; differing keys:"]
        lines += [f"%   {line}" for line in _keys(contenders[0], contender)]
        own = [row for row in rows if row.other == contender.name]
        cells = [[_tex(METRICS[row.metric].title), *map(_signed, _cells(row)[3:])] for row in own]
        lines += _tabular(["Score", *map(_tex, _COLUMNS[3:])], cells)
    return "\n".join([*lines, *(f"% {note}" for note in comparison_notes(contenders))]) + "\n"


def _signed(cell: str) -> str:
    """Sets the signs of numbers as LaTeX does in formulas; a bare hyphen is too short."""
    return re.sub(r"([-+])(?=\d)", r"$\1$", cell)


def _tabular(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    shown = [" & ".join(cells) + " \\\\" for cells in (header, *rows)]
    begin = "\\begin{tabular}{l" + "r" * (len(header) - 1) + "}"
    return [begin, "\\toprule", shown[0], "\\midrule", *shown[1:], "\\bottomrule", "\\end{tabular}"]


def _csv(contenders: Sequence[Contender], rows: Sequence[Difference]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        [
            "first",
            "system",
            "score",
            "first_score",
            "system_score",
            "difference",
            "low",
            "high",
            "p",
            "p_holm",
            "p_t",
            "runs",
        ]
    )
    for row in rows:
        values = [row.base_score, row.other_score, row.value, *(row.interval or (None, None))]
        values += [row.p, row.p_holm, row.p_t]
        shown = ["" if value is None else f"{value:.6g}" for value in values]
        writer.writerow([row.base, row.other, row.metric, *shown, row.runs])
    return stream.getvalue()


def _scores(contenders: Sequence[Contender], rows: Sequence[Difference]) -> tuple[list[str], list[list[str]]]:
    metrics = list(dict.fromkeys(row.metric for row in rows))
    header = ["", *(f"{METRICS[metric].title} {METRICS[metric].arrow}" for metric in metrics)]
    lines = [ExperimentRow(contender.name, tuple(contender.results)) for contender in contenders]
    return header, [[line.label, *(line.cell(metric, pooled).text() for metric in metrics)] for line in lines]


def _cells(row: Difference) -> list[str]:
    metric = METRICS[row.metric]
    ends = "-" if row.interval is None else f"[{row.interval[0]:+.3f}, {row.interval[1]:+.3f}]"
    gap = "-" if row.value is None else f"{row.value:+.3f}"
    chances = ["-" if p is None else f"{p:.4f}" for p in (row.p, row.p_holm, row.p_t)]
    return [
        f"{metric.title} {metric.arrow}",
        _number(row.base_score),
        _number(row.other_score),
        gap,
        ends,
        *chances,
        str(row.runs),
    ]


def _keys(base: Contender, other: Contender) -> list[str]:
    """Returns the keys in which two configurations differ."""
    if not base.config or not other.config:
        return [f"{one.name}: imported predictions, no configuration" for one in (base, other) if not one.config]
    return differing_keys(base.config, other.config) or ["none"]


def _number(value: float | None) -> str:
    return Cell(value).text()


def _tex(text: str) -> str:
    for old, new in (
        ("\\", r"\textbackslash{}"),
        ("_", r"\_"),
        ("%", r"\%"),
        ("&", r"\&"),
        ("#", r"\#"),
        ("²", "$^2$"),
        ("√", r"$\surd$"),
        ("ρ", r"$\rho$"),
    ):
        text = text.replace(old, new)
    return text


FORMS: dict[str, Callable[[Sequence[Contender], Sequence[Difference]], str]] = {
    "text": _text,
    "markdown": _markdown,
    "latex": _latex,
    "csv": _csv,
}
