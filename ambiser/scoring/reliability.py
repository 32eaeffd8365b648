"""Computes the calibration of the predicted class: bins of equal confidence, and their error."""

import numpy as np


def bin_numbers(confidence: np.ndarray, bins: int) -> np.ndarray:
    """Returns (N,) bins of equal width over [0, 1]: k <= confidence * bins < k + 1, and 1 goes to the last."""
    return np.minimum((confidence * bins).astype(int), bins - 1)


def reliability_bins(probs: np.ndarray, hard: np.ndarray, bins: int) -> dict[str, np.ndarray]:
    """Returns per bin the count, the summed confidence and the number right, over utterances with a reference."""
    known = hard >= 0
    confidence = probs[known].max(axis=1)
    right = (probs[known].argmax(axis=1) == hard[known]).astype(float)
    where = bin_numbers(confidence, bins)
    return {
        "count": np.bincount(where, minlength=bins),
        "confidence": np.bincount(where, weights=confidence, minlength=bins),
        "right": np.bincount(where, weights=right, minlength=bins),
    }


def expected_calibration_error(probs: np.ndarray, hard: np.ndarray, bins: int) -> float | None:
    """Returns the sum over bins of |confidence - accuracy| weighted by the bin's share, or None without a reference."""
    table = reliability_bins(probs, hard, bins)
    total = table["count"].sum()
    return float(np.abs(table["confidence"] - table["right"]).sum() / total) if total else None
