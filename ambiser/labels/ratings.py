"""Reads attributes.tsv: mean and spread over the outside raters of valence, arousal and dominance."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ambiser.errors import DataError
from ambiser.io.tables import read_tsv

ATTRIBUTES = ("valence", "arousal", "dominance")


@dataclass(frozen=True)
class Ratings:
    """The ratings of N utterances by outside raters, (N, 3) each, columns as ATTRIBUTES.

    Attributes:
        mean: of the ratings; nan without any.
        variance: unbiased; nan with fewer than two ratings.
        count: number of ratings.
    """

    mean: np.ndarray
    variance: np.ndarray
    count: np.ndarray


def load_ratings(path: Path, utts: list[str]) -> Ratings:
    """Returns the ratings of utterances; other utterances, and ratings that are nan, are skipped.

    Raises:
        DataError: with utterance and rater, a rating is not a number.
    """
    row_of = {utt: row for row, utt in enumerate(utts)}
    rows, values = [], []
    for given in read_tsv(path, ["utt", "rater", "source", *ATTRIBUTES]):
        if given["source"] != "outside" or given["utt"] not in row_of:
            continue
        try:
            values.append([float(given[name]) for name in ATTRIBUTES])
        except ValueError as error:
            raise DataError(f"{path}: {given['utt']}, rater {given['rater']}: {error}; run stage 1 again") from error
        rows.append(row_of[given["utt"]])
    row, rated = np.array(rows, dtype=int), np.array(values, dtype=float).reshape(-1, len(ATTRIBUTES))
    known = np.isfinite(rated)
    count, total, square = (np.zeros((len(utts), len(ATTRIBUTES))) for _ in range(3))
    np.add.at(count, row, known)
    np.add.at(total, row, np.where(known, rated, 0))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / count
        # Deviations from the mean, not mean squares, which would cancel.
        np.add.at(square, row, np.where(known, rated - mean[row], 0) ** 2)
        variance = np.where(count > 1, square / (count - 1), np.nan)
    return Ratings(mean, variance, count)
