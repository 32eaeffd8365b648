"""Compares the agreement of raters that a prediction expects with the agreement of the votes."""

from collections.abc import Callable

import numpy as np

from ambiser.labels.expected_votes import expected_agreement
from ambiser.scoring.score_names import Scores

_LEAST_VARIANCE = 1e-12


def observed_agreement(counts: np.ndarray) -> np.ndarray:
    """Returns (N,) shares of the pairs of votes that agree, NaN with fewer than two votes.

    With n_c votes for class c and n in all, this is the sum of n_c (n_c - 1) over n (n - 1), the agreement of an item
    in Fleiss' kappa. Votes that raters shared between classes can take it below 0; it is then 0.
    """
    votes = counts.sum(axis=1)
    pairs = np.where(votes >= 2, votes * (votes - 1), np.nan)
    return np.maximum((counts * (counts - 1)).sum(axis=1), 0.0) / pairs


def agreement_scores(probs: np.ndarray, counts: np.ndarray) -> Scores:
    """Returns the gap and the correlation of expected and observed agreement over utterances with two or more votes.

    Both are None without such utterances, the correlation also where one of the two is constant.
    """
    total = agreement_totals(probs, counts, lambda values: values.sum(axis=0, keepdims=True))
    return {name: float(value[0]) if np.isfinite(value[0]) else None for name, value in total.items()}


def agreement_totals(
    probs: np.ndarray, counts: np.ndarray, total: Callable[[np.ndarray], np.ndarray]
) -> dict[str, np.ndarray]:
    """Returns the two scores of every resample, (R,) each, NaN where undefined.

    Args:
        probs, counts: as in `ambiser.scoring.metrics`.
        total: sums (N, K) over the utterances of each resample, (R, K).
    """
    observed = observed_agreement(counts)
    known = np.isfinite(observed)
    expected = expected_agreement(probs) - 0.5  # centering loses no digits in the sums of squares
    observed = np.where(known, observed, 0.5) - 0.5
    columns = [np.ones(len(known)), expected, observed, expected**2, observed**2, expected * observed]
    sums = total(np.stack(columns, axis=1) * known[:, None])  # (R, 6)
    with np.errstate(divide="ignore", invalid="ignore"):
        e, o, ee, oo, eo = (sums[:, 1:] / sums[:, :1]).T
        spread_e, spread_o = ee - e**2, oo - o**2
        enough = (spread_e > _LEAST_VARIANCE) & (spread_o > _LEAST_VARIANCE)
        correlation = np.where(enough, (eo - e * o) / np.sqrt(spread_e * spread_o), np.nan)
    return {"agreement_gap": np.abs(e - o), "agreement_correlation": correlation}
