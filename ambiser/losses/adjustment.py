"""Adjusts logits by the class shares, so that training makes up for rare classes."""

import torch
from torch import Tensor


def log_shares(counts: Tensor) -> Tensor:
    """Returns the logarithms (C,) of the classes' shares of the votes (N, C); a class without votes counts as one."""
    votes = counts.double().sum(dim=0).clamp_min(1.0)  # (C,)
    return (votes / votes.sum()).log().to(counts.dtype)


def adjust(log_probs: Tensor, shares: Tensor, strength: float) -> Tensor:
    """Returns the log-probabilities (B, C) of logits z + strength · log π for log-probabilities of z, and log π (C,).

    Source: logit-adjusted loss, Menon et al. 2021 (arXiv 2007.07314), eq. 10, with soft labels as targets.
    """
    return torch.log_softmax(log_probs + strength * shares, dim=-1)
