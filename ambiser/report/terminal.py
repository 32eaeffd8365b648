"""Prints tables of results on the terminal."""

from collections.abc import Iterable

from ambiser.report.comparable import make_tables, oracle_warning, pooled
from ambiser.report.shown_scores import CLASS_SCORES, DISTRIBUTION_SCORES, FLOORS, HUMAN, LINE_SCORES
from ambiser.report.text_table import aligned
from ambiser.scoring.results import Results, Summary
from ambiser.scoring.score_names import METRICS


def render_terminal(results: Iterable[Summary]) -> str:
    """Returns the scores without intervals, aligned for a terminal."""
    metrics, blocks = (*CLASS_SCORES, *DISTRIBUTION_SCORES), []
    for table in make_tables(results):
        rows = [["", *(METRICS[name].title for name in metrics)]]
        rows += [[row.label, *(row.cell(name, pooled).text(interval=False) for name in metrics)] for row in table.rows]
        if table.human("bc", pooled).value is not None:
            rows += [[HUMAN, *(table.human(name, pooled).text() for name in metrics)]]
        rows += [[label, *(table.floor(name, key, pooled).text() for name in metrics)] for key, label in FLOORS.items()]
        head = table.title() + ("; synthetic" if table.first.stamp.made_up else "")
        lines = [
            *(f"differs from the first table in {line}" for line in table.apart),
            *table.notes,
            *oracle_warning(table),
        ]
        blocks.append("\n".join([head, *lines, *aligned(rows, "  ")]))
    return "\n\n".join(blocks) + "\n"


def render_lines(results: Results, width: int) -> str:
    """Returns a line for all folds pooled and one for each fold of several; tags are padded to `width`."""
    groups = {"pooled": results.scores.pooled}
    if len(results.scores.folds) > 1:
        groups |= {f"fold {number}": group for number, group in results.scores.folds.items()}
    lines = []
    for name, group in groups.items():
        values = {metric: group.scores[metric] for metric in LINE_SCORES}
        shown = {metric: "-" if value is None else f"{value:.3f}" for metric, value in values.items()}
        cells = [f"{METRICS[metric].title} {value:>6}" for metric, value in shown.items()]
        lines.append("  ".join([results.tag.ljust(width), f"{name:<7}", f"{group.utterances:>6,}", *cells]))
    return "\n".join(lines)
