"""Defines the rows of a sweep, differences between experiments over the values of a key, and their TSV table."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

from ambiser.errors import DataError
from ambiser.io.tables import read_tsv, write_tsv
from ambiser.scoring.comparison import Comparison
from ambiser.scoring.score_names import METRICS
from ambiser.scoring.significance import holm

DIGITS = 6
_WORDS = ("score", "base", "other", "key", "corpus")
_COUNTS = ("seeds", "speakers")


@dataclass(frozen=True)
class SweepRow:
    """The difference between two experiments in one score, other minus base, averaged over seeds.

    Attributes:
        score: its name in `METRICS`.
        base, other: the experiments.
        key: dotted name of the key; empty for a ladder, which has no key.
        value: of the key in both experiments; None in a ladder.
        base_score, other_score, difference: None where undefined.
        low, high: 95 % interval of the difference, from a paired bootstrap over speakers.
        p: two-sided, of that bootstrap.
        p_holm: corrected for all rows of the table.
        seeds: of the other experiment.
        speakers: whom the bootstrap draws.
        corpus: its name, with "(made up)" where a program made it.
    """

    score: str
    base: str
    other: str
    key: str
    value: float | None
    base_score: float | None
    other_score: float | None
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    seeds: int
    speakers: int
    corpus: str


COLUMNS = [field.name for field in fields(SweepRow)]


def rows_of_comparison(comparison: Comparison, *, key: str, value: float | None) -> list[SweepRow]:
    """Returns a row per system and score, without correction of the p-values."""
    results = {one.name: one.results for one in comparison.contenders}
    rows = []
    for one in comparison.differences:
        low, high = one.interval or (None, None)
        stamp, pooled = results[one.other][0].stamp, results[one.other][0].scores.pooled
        corpus = f"{stamp.corpus} (made up)" if stamp.made_up else stamp.corpus
        scores = (one.base_score, one.other_score, one.value, low, high, one.p, None)
        sizes = (len(results[one.other]), pooled.speakers, corpus)
        rows.append(SweepRow(one.metric, one.base, one.other, key, value, *scores, *sizes))
    return rows


def write_sweep(path: Path, rows: Sequence[SweepRow]) -> None:
    """Writes the table with p-values corrected by Holm's method, sorted by score, pair and value."""
    ordered = sorted(rows, key=lambda row: (list(METRICS).index(row.score), row.base, row.other, row.value or 0))
    corrected = holm([row.p for row in ordered])
    rows = (replace(row, p_holm=p) for row, p in zip(ordered, corrected, strict=True))
    write_tsv(path, COLUMNS, ([_shown(value) for value in astuple(row)] for row in rows))


def read_sweep(path: Path) -> list[SweepRow]:
    """Reads the table.

    Raises:
        DataError: a column is missing, a score is unknown, or a value is not a number.
    """
    rows = []
    for line, row in enumerate(read_tsv(path, COLUMNS), start=2):
        if row["score"] not in METRICS:
            raise DataError(f"{path}:{line}: {row['score']!r} is not a score; make the table again")
        try:
            rows.append(SweepRow(**{name: _read(name, row[name]) for name in COLUMNS}))
        except ValueError as error:
            raise DataError(f"{path}:{line}: {error}; make the table again") from error
    if not rows:
        raise DataError(f"{path}: has no rows; make the table again")
    return rows


def _shown(value: object) -> str:
    return "" if value is None else f"{value:.{DIGITS}g}" if isinstance(value, float) else str(value)


def _read(name: str, text: str) -> object:
    if name in _WORDS:
        return text
    return int(text) if name in _COUNTS else float(text) if text else None
