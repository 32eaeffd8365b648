"""Estimates which classes raters confuse, and smooths soft labels by it."""

import numpy as np


def rater_confusion(counts: np.ndarray) -> np.ndarray:
    """Returns the (C, C) chances that another rater of an utterance votes k (column) where one votes c (row).

    Every vote weighs the same. A class whose votes have no other vote beside them is confused with none.

    Args:
        counts: (N, C) vote mass.
    """
    counts = np.asarray(counts, dtype=float)
    total = counts.sum(axis=1, keepdims=True)
    others = np.maximum(total - 1, 0)
    weights = np.divide(1.0, others, out=np.zeros_like(others), where=others > 1e-9)
    pairs = (counts * weights).T @ counts - np.diag((counts * weights).sum(axis=0))
    pairs = np.maximum(pairs, 0.0)  # a rater's divided vote has less than one vote on the diagonal
    sums = pairs.sum(axis=1, keepdims=True)
    return np.where(sums > 0, pairs / np.maximum(sums, 1e-12), np.eye(counts.shape[1]))


def smooth_by_confusion(soft: np.ndarray, confusion: np.ndarray, e: float) -> np.ndarray:
    """Returns (1 - e) y + e y M for soft labels y (N, C) and confusions M (C, C); rows still sum to 1."""
    return (1 - e) * soft + e * (soft @ confusion)
