"""P-values of differences, and their correction for the number of comparisons."""

from collections.abc import Sequence

import numpy as np
from scipy.special import stdtr


def smallest_p(resamples: int, comparisons: int) -> float:
    """Returns the smallest corrected p-value that a bootstrap can give: `bootstrap_p` is never below 2 / (R + 1)."""
    return min(1.0, 2 * comparisons / (resamples + 1))


def bootstrap_p(gaps: np.ndarray) -> float:
    """Returns the two-sided p-value of no difference: twice the smaller share of resamples on either side of 0.

    One is added to counts and resamples, so that no p-value is smaller than the resamples can show.
    """
    known = gaps[np.isfinite(gaps)]
    side = min((known <= 0).sum(), (known >= 0).sum())
    return float(min(1.0, 2 * (side + 1) / (len(known) + 1)))


def corrected_t_test(differences: Sequence[float], ratio: float) -> float | None:
    """Returns the two-sided p-value of the corrected resampled t-test, None with fewer than two differences.

    With J differences of mean d and variance s2 (divisor J - 1), t = d / sqrt((1 / J + ratio) s2) on J - 1 degrees of
    freedom. The plain t-test has no ratio and takes overlapping training sets for independent ones.

    Args:
        differences: of each seed and fold.
        ratio: tested over trained utterances of a fold.

    Source: Nadeau and Bengio, Inference for the generalization error, Machine Learning 2003.
    """
    count = len(differences)
    if count < 2:
        return None
    mean, variance = float(np.mean(differences)), float(np.var(differences, ddof=1))
    if variance == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * stdtr(count - 1, -abs(mean) / np.sqrt((1 / count + ratio) * variance)))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Returns p-values corrected by Holm's step-down method; None stays None and does not count."""
    known = [i for i, p in enumerate(p_values) if p is not None]
    order = sorted(known, key=lambda i: p_values[i])
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[i]))
        corrected[i] = largest
    return corrected
