"""Computes the entropy of vote shares and of predicted probabilities."""

import numpy as np
from scipy.special import xlogy


def entropy_bits(distribution: np.ndarray) -> np.ndarray:
    """Returns (N,) entropies in bits of the rows of (N, C), rounded to 1e-10 so that equal votes in another order tie.

    A probability of 0 adds nothing.
    """
    return np.round(-xlogy(distribution, distribution).sum(axis=1) / np.log(2), 10) + 0.0
