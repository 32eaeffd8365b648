"""Reads and writes egs/X/results/differences.tsv: a line per base, other system and score."""

from collections.abc import Iterable
from pathlib import Path

from ambiser.errors import DataError
from ambiser.io.tables import read_tsv, write_tsv
from ambiser.scoring.comparison import Difference

COLUMNS = [
    "base",
    "other",
    "score",
    "base_score",
    "other_score",
    "difference",
    "low",
    "high",
    "p",
    "p_holm",
    "p_t",
    "runs",
]
DIGITS = 6


def write_differences(path: Path, differences: Iterable[Difference]) -> None:
    """Writes the table, sorted; an empty field is a number that was not computed or is undefined."""
    lines = []
    for one in sorted(differences, key=lambda one: (one.base, one.other, one.metric)):
        numbers = [one.base_score, one.other_score, one.value, *(one.interval or (None, None))]
        shown = ["" if x is None else f"{x:.{DIGITS}g}" for x in (*numbers, one.p, one.p_holm, one.p_t)]
        lines.append([one.base, one.other, one.metric, *shown, one.runs])
    write_tsv(path, COLUMNS, lines)


def read_differences(path: Path) -> list[Difference]:
    """Reads the table; an empty list where there is none.

    Raises:
        DataError: a column is missing or a value is not a number.
    """
    if not path.is_file():
        return []
    found = []
    for number, row in enumerate(read_tsv(path, COLUMNS), start=2):
        try:
            value = {key: float(row[key]) if row[key] else None for key in COLUMNS[3:-1]}
            runs = int(row["runs"])
        except ValueError as error:
            raise DataError(f"{path}:{number}: {error}; restore the table") from error
        found.append(
            Difference(
                base=row["base"],
                other=row["other"],
                metric=row["score"],
                interval=None if value["low"] is None else [value["low"], value["high"]],
                **{key: value[key] for key in ("base_score", "other_score", "p", "p_holm", "p_t")},
                runs=runs,
            )
        )
    return found


def merge_differences(old: Iterable[Difference], new: Iterable[Difference]) -> list[Difference]:
    """Returns new and old differences; a new comparison of two systems replaces all old lines of these two."""
    new = list(new)
    pairs = {(one.base, one.other) for one in new}
    return [*(one for one in old if (one.base, one.other) not in pairs), *new]
