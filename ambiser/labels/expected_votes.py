"""What a predicted distribution says about the votes of raters who are asked independently."""

import math

import numpy as np


def expected_agreement(probs: np.ndarray) -> np.ndarray:
    """Returns (N,) chances that two raters choose the same class: the sum of p² over classes, 1 / C to 1.

    Args:
        probs: (N, C) rows that sum to 1.
    """
    return (np.asarray(probs, dtype=float) ** 2).sum(axis=1)


def no_majority_chance(probs: np.ndarray, raters: int) -> np.ndarray:
    """Returns (N,) chances that no class has strictly the most of the raters' votes.

    With n raters, class c wins with k votes if every other class has at most k - 1. The number of such outcomes,
    weighted by their probabilities, is n! times the coefficient of x^n in p_c^k x^k / k! times the product over the
    other classes j of the sum of p_j^i x^i / i! for i < k.

    Args:
        probs: (N, C) rows that sum to 1.
        raters: n, 1 to 100.

    Raises:
        ValueError: the number of raters is out of range.
    """
    if not 1 <= raters <= 100:
        raise ValueError(f"raters: must be 1 to 100, got {raters}")
    probs = np.asarray(probs, dtype=float)
    powers = np.arange(raters + 1)
    factorials = np.array([float(math.factorial(k)) for k in powers])
    terms = probs[:, :, None] ** powers / factorials  # (N, C, n + 1)
    won = np.zeros(len(probs))
    for own in range(probs.shape[1]):
        others = np.delete(terms, own, axis=1)  # (N, C - 1, n + 1)
        for votes in range(1, raters + 1):
            rest = raters - votes
            series = _product(others[:, :, : min(votes, rest + 1)], rest)  # (N, rest + 1)
            won += terms[:, own, votes] * series[:, rest]
    return np.clip(1 - won * factorials[raters], 0, 1)


def _product(factors: np.ndarray, degree: int) -> np.ndarray:
    """Multiplies the power series of each row, (N, factors, terms), and returns (N, degree + 1) coefficients."""
    total = np.zeros((len(factors), degree + 1))
    total[:, 0] = 1
    for factor in factors.transpose(1, 2, 0):  # (terms, N) of one class
        longer = np.zeros_like(total)
        for power, coefficient in enumerate(factor):
            longer[:, power:] += total[:, : degree + 1 - power] * coefficient[:, None]
        total = longer
    return total
