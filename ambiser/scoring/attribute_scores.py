"""Scores predicted mean and spread of attributes against the raters', with intervals over resampled speakers."""

from dataclasses import dataclass

import numpy as np

from ambiser.labels.ratings import ATTRIBUTES, Ratings
from ambiser.scoring.bootstrap import draw_speakers, percentile_intervals

_SMALL = 1e-12


@dataclass(frozen=True)
class AttributeScore:
    """The scores of one attribute; intervals are 95 % or None where resamples leave them undefined.

    Attributes:
        name: of the attribute.
        utterances: with ratings.
        ccc: concordance of the predicted with the raters' mean.
        spread_utterances: with at least two ratings.
        spread_ccc: concordance of the predicted deviation with the raters' (unbiased variance, square root).
        spread_correlation: Pearson correlation of the same.
    """

    name: str
    utterances: int
    ccc: float
    ccc_interval: list[float] | None
    spread_utterances: int
    spread_ccc: float
    spread_ccc_interval: list[float] | None
    spread_correlation: float
    spread_correlation_interval: list[float] | None


def score_attributes(
    mean: np.ndarray, spread: np.ndarray, ratings: Ratings, speakers: np.ndarray, *, resamples: int, level: float = 0.95
) -> list[AttributeScore]:
    """Scores all attributes.

    Args:
        mean, spread: (N, 3) predicted.
        ratings: of the N utterances.
        speakers: (N,) names.
        resamples: bootstrap resamples of the speakers.
        level: of the intervals.
    """
    found = []
    for column, name in enumerate(ATTRIBUTES):
        rated, spread_out = ratings.count[:, column] > 0, ratings.count[:, column] > 1
        pairs = {
            "ccc": (mean[rated, column], ratings.mean[rated, column], speakers[rated]),
            "spread": (spread[spread_out, column], np.sqrt(ratings.variance[spread_out, column]), speakers[spread_out]),
        }
        values, intervals = {}, {}
        for key, (predicted, given, names) in pairs.items():
            both = agreement(predicted, given, names, resamples=resamples)
            values[key] = {score: float(row[0]) for score, row in both.items()}
            intervals[key] = percentile_intervals({score: row[1:] for score, row in both.items()}, level)
        found.append(
            AttributeScore(
                name,
                int(rated.sum()),
                values["ccc"]["ccc"],
                intervals["ccc"]["ccc"],
                int(spread_out.sum()),
                values["spread"]["ccc"],
                intervals["spread"]["ccc"],
                values["spread"]["pearson"],
                intervals["spread"]["pearson"],
            )
        )
    return found


def agreement(one: np.ndarray, other: np.ndarray, speakers: np.ndarray, *, resamples: int) -> dict[str, np.ndarray]:
    """Returns CCC and Pearson correlation of (N,) and (N,): (1 + R,) each, of all utterances and of R resamples.

    A resample's moments are sums over its speakers. nan where a resample has no variance.
    """
    names, group = np.unique(speakers, return_inverse=True)
    # Centered first, so that squares do not cancel.
    x, y = one - one.mean(), other - one.mean()
    moments = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y])  # (6, N)
    sums = np.stack([np.bincount(group, weights=row, minlength=len(names)) for row in moments])  # (6, S)
    drawn = np.vstack([np.ones(len(names), int), draw_speakers(len(names), resamples, seed=0)])  # (1 + R, S)
    with np.errstate(invalid="ignore", divide="ignore"):
        n, mean_x, mean_y, xx, yy, xy = (drawn @ row for row in sums)
        mean_x, mean_y, xx, yy, xy = (row / n for row in (mean_x, mean_y, xx, yy, xy))
        var_x, var_y, covariance = xx - mean_x**2, yy - mean_y**2, xy - mean_x * mean_y
        var_x, var_y = (np.where(v > _SMALL, v, np.nan) for v in (var_x, var_y))
        ccc = 2 * covariance / (var_x + var_y + (mean_x - mean_y) ** 2)
        return {"ccc": ccc, "pearson": covariance / np.sqrt(var_x * var_y)}
