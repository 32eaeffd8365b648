"""Class weights for distributions: rare classes count more, by the effective number of votes."""

import torch
from torch import Tensor


def class_weights(counts: Tensor) -> Tensor:
    """Weighs classes by the inverse of their effective number, (1 − β) / (1 − β^n_c) with β = (N − 1) / N.

    Args:
        counts: (N, C) vote mass of N training utterances; n_c are its column sums.

    Returns:
        (C,) weights that sum to C; a class without votes weighs as one with a single vote.

    Source: EMO-SUPERB's class-balanced soft cross-entropy (after Cui et al. 2019).
    """
    votes = counts.double().sum(dim=0).clamp_min(1.0)
    beta = (len(counts) - 1) / len(counts)
    raw = (1 - beta) / (1 - torch.pow(torch.tensor(beta, dtype=torch.float64), votes)) if beta > 0 else 1 / votes
    return (raw / raw.sum() * len(raw)).to(counts.dtype)


def utterance_weights(probs: Tensor, weights: Tensor) -> Tensor:
    """Returns the mean class weight under each soft label, (B,): Σ_c y_c w_c."""
    return probs @ weights
