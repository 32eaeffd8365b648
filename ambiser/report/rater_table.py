"""Shows on the results page what a model of raters predicts for single votes, and the biases that it learned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ambiser.errors import DataError
from ambiser.io.tables import read_tsv

SHOWN = 20
_FIRST = ("rater", "train_votes", "votes", "nll_mean_rater", "nll", "accuracy")
_BOUNDS = (0, 1, 10, 100, 1000)
"""Lower bounds of the groups of raters by their number of training votes."""
_NONE = "-"


@dataclass(frozen=True)
class RaterRow:
    """A rater in one fold: training and test votes, mean scores of the latter or None, learned bias by class or {}."""

    rater: str
    train_votes: int
    votes: int
    scores: tuple[float, float, float] | None
    bias: Mapping[str, float]


def read_raters(path: Path, classes: Sequence[str]) -> list[RaterRow]:
    """Reads raters.tsv of a fold.

    Raises:
        DataError: with file and rater, a value is not a number.
    """
    rows = []
    for row in read_tsv(path, [*_FIRST, *(f"bias_{name}" for name in classes)]):
        try:
            scores = None if row["nll"] == _NONE else tuple(float(row[name]) for name in _FIRST[3:])
            bias = {name: float(row[f"bias_{name}"]) for name in classes if row[f"bias_{name}"] != _NONE}
            rows.append(RaterRow(row["rater"], int(row["train_votes"]), int(row["votes"]), scores, bias))
        except ValueError as error:
            raise DataError(f"{path}: rater {row['rater']}: {error}; run stage 7 again") from error
    return rows


def rater_block(rows: Sequence[RaterRow], classes: Sequence[str]) -> dict[str, object]:
    """Returns the table of all raters, of raters by their training votes, and of those with the most test votes.

    Args:
        rows: of all folds; votes are added, scores averaged over votes and biases over folds.
        classes: columns of the learned biases.
    """
    upper = (*_BOUNDS[1:], float("inf"))
    groups = [("all raters", list(rows))]
    for low, high in zip(_BOUNDS, upper, strict=True):
        name = "unknown in training" if high == 1 else f"{low:,} training votes or more"
        name = name if high in (1, float("inf")) else f"{low:,} to {int(high) - 1:,} training votes"
        groups.append((name, [row for row in rows if low <= row.train_votes < high]))
    by_rater: dict[str, list[RaterRow]] = {}
    for row in rows:
        by_rater.setdefault(row.rater, []).append(row)
    most = sorted(by_rater, key=lambda name: (-sum(row.votes for row in by_rater[name]), name))[:SHOWN]
    lines = [(name, members, False) for name, members in groups if any(row.votes for row in members)]
    lines += [(f"rater {name}", by_rater[name], True) for name in most]
    header = [("Raters", "test votes"), ("NLL", "mean rater"), ("NLL", "own model"), ("accuracy", "own model")]
    header += [(f"{name} +/-", "learned") for name in classes]
    return {
        "header": header,
        "rows": [(_label(name, members), _cells(members, classes, single)) for name, members, single in lines],
        "floors": [],
    }


def _label(name: str, members: Sequence[RaterRow]) -> str:
    return f"{name} ({sum(row.votes for row in members):,})"


def _cells(members: Sequence[RaterRow], classes: Sequence[str], single: bool) -> list[list[str]]:
    scored = [row for row in members if row.scores is not None]
    total = sum(row.votes for row in scored)
    means = [sum(row.scores[i] * row.votes for row in scored) / total if total else None for i in range(3)]
    cells = [[_NONE if value is None else f"{value:.3f}"] for value in means]
    for name in classes:
        values = [row.bias[name] for row in members if name in row.bias] if single else []
        cells.append([f"{sum(values) / len(values):+.3f}" if values else _NONE])
    return cells
