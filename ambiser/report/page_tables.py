"""Makes the tables of the results page as header and rows, each cell with small lines below its value."""

from collections.abc import Sequence

from ambiser.report.comparable import Cell, ResultTable, Where, before_and_after, group_columns
from ambiser.report.shown_scores import CALIBRATED, CLASS_SCORES, DISTRIBUTION_SCORES, FLOORS, HUMAN, LEVEL_SCORES
from ambiser.scoring.results import Results
from ambiser.scoring.score_names import METRICS

SPEAKERS_SHOWN = 10


def score_block(table: ResultTable, columns: Sequence[tuple[str, Where, str]]) -> dict[str, object]:
    """Returns a table of scores with a row for each experiment, single raters and the floors.

    Args:
        table: the experiments.
        columns: score, where it is found, and what stands under its name.
    """
    header = [("Experiment", ""), *(_heading(metric, group) for metric, _, group in columns)]
    rows = [(row.label, [_lines(row.cell(metric, where)) for metric, where, _ in columns]) for row in table.rows]
    compared = [(HUMAN, [_lines(table.human(metric, where)) for metric, where, _ in columns])]
    compared += [
        (label, [_lines(table.floor(metric, floor, where)) for metric, where, _ in columns])
        for floor, label in FLOORS.items()
    ]
    floors = [(label, cells) for label, cells in compared if any(lines != ["-"] for lines in cells)]
    return {"header": header, "rows": rows, "floors": floors}


def group_block(table: ResultTable, section: str) -> dict[str, object]:
    """Returns the table of the groups of a section: levels, kinds or genders."""
    return score_block(table, group_columns(table, section, LEVEL_SCORES))


def calibration_block(table: ResultTable) -> dict[str, object] | None:
    """Returns the scores before and after calibration, or None where no experiment of the table has one."""
    rows = [(label, [[cell] for cell in cells]) for label, cells in before_and_after(table)]
    header = [("Experiment", ""), *(_heading(metric, "") for metric in CALIBRATED)]
    return {"header": header, "rows": rows, "floors": []} if rows else None


def fold_block(results: Results) -> dict[str, object]:
    """Returns the table of folds, their mean first."""
    metrics = (*CLASS_SCORES[:-1], *DISTRIBUTION_SCORES, "ece")
    scores = results.scores
    over = [
        [Cell(score.mean).text(), *([f"± {score.deviation:.3f}"] if score.deviation is not None else [])]
        for score in (scores.over_folds[metric] for metric in metrics)
    ]
    rows = [
        (f"fold {number} ({fold.utterances:,})", [[Cell(fold.scores[m]).text()] for m in metrics])
        for number, fold in sorted(scores.folds.items())
    ]
    header = [("Fold", "utterances"), *(_heading(metric) for metric in metrics)]
    return {"header": header, "rows": [("mean over folds", over), *rows], "floors": []}


def class_block(results: Results) -> dict[str, object]:
    """Returns the table of scores of every class."""
    by_class = results.scores.per_class
    header = [
        ("Class", "references"),
        ("precision", ""),
        ("recall", ""),
        ("F1", ""),
        ("AUROC", ""),
        ("F1", "multi-label"),
        ("R²", "determination"),
        ("vote share", ""),
        ("predicted share", ""),
    ]
    keys = ("precision", "recall", "f1", "auroc", "multilabel_f1", "r2_determination", "voted_share", "predicted_share")
    names = zip(results.stamp.class_names, by_class.support, strict=True)
    rows = [
        (f"{name} ({count:,})", [[Cell(getattr(by_class, key)[i]).text()] for key in keys])
        for i, (name, count) in enumerate(names)
    ]
    return {"header": header, "rows": rows, "floors": []}


def speaker_block(results: Results) -> dict[str, object]:
    """Returns the table of speakers, the worst in BC first; of very many, the worst and the best."""
    speakers = sorted(results.scores.per_speaker.items(), key=lambda item: (item[1].bc, item[0]))
    if len(speakers) > 2 * SPEAKERS_SHOWN:
        speakers = speakers[:SPEAKERS_SHOWN] + speakers[-SPEAKERS_SHOWN:]
    metrics = ("accuracy", "bc", "jsd_bits", "r2_pearson")
    rows = [
        (f"{name} ({scores.utterances:,})", [[Cell(getattr(scores, metric)).text()] for metric in metrics])
        for name, scores in speakers
    ]
    return {
        "header": [("Speaker", "utterances"), *(_heading(metric) for metric in metrics)],
        "rows": rows,
        "floors": [],
        "all": len(results.scores.per_speaker),
    }


def _heading(metric: str, group: str = "") -> tuple[str, str]:
    """Returns the name of a score with its arrow, and what stands small under it: its unit or kind, and the group."""
    name, _, kind = METRICS[metric].title.partition(" (")
    unbroken = name.replace("-", "\N{NON-BREAKING HYPHEN}") + f"\N{NO-BREAK SPACE}{METRICS[metric].arrow}"
    return unbroken, ", ".join(part for part in (kind.rstrip(")"), group) if part)


def _lines(cell: Cell) -> list[str]:
    lines = [Cell(cell.value).text()]
    if cell.deviation is not None:
        lines.append(f"± {cell.deviation:.3f}")
    if cell.interval is not None:
        lines.append(f"{cell.interval[0]:.3f}\N{EN DASH}{cell.interval[1]:.3f}")
    return lines
