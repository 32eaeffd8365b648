"""Reads and checks predictions.tsv; nothing is guessed or silently skipped."""

import math
from collections.abc import Container, Sequence
from pathlib import Path

import numpy as np

from ambiser.errors import DataError
from ambiser.io.tables import read_tsv, write_tsv

SUM_TOLERANCE = 1e-4


def read_predictions(
    path: Path, classes: list[str], utts: list[str], others: Container[str] = frozenset()
) -> np.ndarray:
    """Reads the class probabilities of the utterances of a fold.

    Args:
        path: columns utt and then one per class, in the order of the classes.
        classes: the classes of the configuration.
        utts: the utterances that must be there, each once.
        others: utterances that may be there and do not count; any that is in neither is a fault.

    Returns:
        (N, C) in the order of `utts`, rows scaled to sum to 1 exactly.

    Raises:
        DataError: with file and line: other columns, no number, a probability outside [0, 1], a sum that is off by
            more than 1e-4, an utterance that is unknown, doubled or missing.
    """
    rows = read_tsv(path, ["utt", *classes])
    header = list(rows[0]) if rows else ["utt", *classes]
    if header != ["utt", *classes]:
        raise DataError(f"{path}:1: the columns must be utt {' '.join(classes)}, in this order; got {' '.join(header)}")
    known = {utt: i for i, utt in enumerate(utts)}
    lines = _lines_of(path, [row["utt"] for row in rows], known, others)
    missing = [utt for utt in utts if utt not in lines]
    probs = np.empty((len(utts), len(classes)))
    for number, row in enumerate(rows, start=2):
        if row["utt"] in known:
            probs[known[row["utt"]]] = _row(path, number, row["utt"], [row[name] for name in classes])
    if missing:
        raise DataError(
            f"{path}:{len(rows) + 1}: {len(missing)} of {len(utts)} utterances are missing, first '{missing[0]}'; "
            "add them, or remove a file that stage 7 wrote and run stage 7 again"
        )
    return probs


def _lines_of(path: Path, utts: Sequence[str], known: Container[str], others: Container[str]) -> dict[str, int]:
    """Returns the line of each utterance after checking that it is known and appears once."""
    lines: dict[str, int] = {}
    for number, utt in enumerate(utts, start=2):
        if utt in lines:
            raise DataError(f"{path}:{number}: '{utt}' appears twice (first in line {lines[utt]}); keep one")
        if utt not in known and utt not in others:
            raise DataError(
                f"{path}:{number}: '{utt}' is not an utterance with votes in this fold's test part; remove the line"
            )
        lines[utt] = number
    return lines


def average_predictions(paths: Sequence[Path], output: Path) -> None:
    """Writes the mean of several predictions of the same utterances: a deep ensemble, when seeds made them.

    Raises:
        DataError: two files differ in columns or utterances, or a value is not a number.

    Source: Lakshminarayanan et al. 2017 (arXiv 1612.01474).
    """
    tables = [read_tsv(path, ["utt"]) for path in paths]
    about = [(list(rows[0]) if rows else [], [row["utt"] for row in rows]) for rows in tables]
    for path, other in zip(paths, about, strict=True):
        if other != about[0]:
            raise DataError(
                f"{path}: has other utterances or columns than {paths[0]}; remove both and run stage 7 again"
            )
    header, utts = about[0]
    probs = [
        [_row(path, line, row["utt"], [row[name] for name in header[1:]]) for line, row in enumerate(rows, start=2)]
        for path, rows in zip(paths, tables, strict=True)
    ]
    mean = np.mean(probs, axis=0).tolist()
    rows = ([utt, *(f"{value:.8f}" for value in row)] for utt, row in zip(utts, mean, strict=True))
    write_tsv(output, header, rows)


def _row(path: Path, number: int, utt: str, fields: list[str]) -> list[float]:
    values = []
    for field in fields:
        try:
            value = float(field)
        except ValueError:
            raise DataError(f"{path}:{number}: {field!r} of '{utt}' is not a number") from None
        if not (math.isfinite(value) and 0 <= value <= 1):
            raise DataError(f"{path}:{number}: the probability {field} of '{utt}' is outside 0 to 1")
        values.append(value)
    total = math.fsum(values)
    if abs(total - 1) > SUM_TOLERANCE:
        raise DataError(f"{path}:{number}: the probabilities of '{utt}' sum to {total:.6g}, not to 1")
    return [value / total for value in values]
