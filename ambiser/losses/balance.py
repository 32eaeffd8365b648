"""Computes class weights for label distributions, by the effective number of votes: rare classes weigh more."""

import torch
from torch import Tensor


def class_weights(counts: Tensor) -> Tensor:
    """Weights classes by the inverse of their effective number, (1 − β) / (1 − β^n_c) with β = (N − 1) / N.

    Args:
        counts: (N, C) vote mass of N training utterances; n_c are its column sums.

    Returns:
        (C,) weights that sum to C; a class without votes has the weight of a class with a single vote.

    Source: EMO-SUPERB's class-balanced soft cross-entropy (after Cui et al. 2019).
    """
    # In float64: 1 − β^n cancels in float32 when N is large, because β is then close to 1.
    votes = counts.double().sum(dim=0).clamp_min(1.0)  # (C,)
    beta = (len(counts) - 1) / len(counts)
    # One utterance makes β = 0, where the effective number is the count itself.
    raw = (1 - beta) / (1 - torch.pow(torch.tensor(beta, dtype=torch.float64), votes)) if beta > 0 else 1 / votes
    return (raw / raw.sum() * len(raw)).to(counts.dtype)  # (C,)


def utterance_weights(target: Tensor, weights: Tensor) -> Tensor:
    """Returns the mean class weight under each soft label, Σ_c y_c w_c: (B, C) and (C,) to (B,)."""
    return target @ weights
