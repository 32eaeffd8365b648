"""Computes the threshold likelihood: an utterance is precise if one class gets enough votes, else ambiguous.

With n raters who vote independently by the predicted probabilities p, class c gets at least K votes with probability
S_c = P(Bin(n, p_c) >= K). If 2K > n, at most one class can, so that an utterance is ambiguous with 1 - Σ_c S_c.
Source: decided here.
"""

import math

import torch
from torch import Tensor

_MOST = 1 - 1e-6  # bounds the share of the other classes, where ambiguity is impossible (two classes, 2K = n + 1)


def log_enough_votes(log_probs: Tensor, votes: int, needed: int) -> Tensor:
    """Computes log S_c, the log-probability that a class gets at least K of n votes.

    Args:
        log_probs: (B, C) finite logarithms of probabilities that sum to 1.
        votes: n >= 1.
        needed: K, in 1..n.

    Returns:
        (B, C), with finite gradients also where a probability rounds to 0 or 1.
    """
    return _log_binomial(log_probs, _log_others(log_probs), votes, range(needed, votes + 1))


def log_ambiguous(log_probs: Tensor, votes: int, needed: int) -> Tensor:
    """Computes log(1 - Σ_c S_c), the log-probability that no class gets K of n votes.

    Arguments as in `log_enough_votes`, with 2K > n.

    Returns:
        (B,), with finite gradients also where a probability rounds to 0 or 1.
    """
    others = _log_others(log_probs)  # (B, C), log(1 - p)
    top = log_probs.argmax(dim=1, keepdim=True)  # (B, 1)
    # 1 - S of the top class as a sum of its own: the difference would round to 0 near p = 1, and its gradient with it.
    below = _log_binomial(log_probs.gather(1, top), others.gather(1, top), votes, range(needed))  # (B, 1)
    enough = _log_binomial(log_probs, others, votes, range(needed, votes + 1))  # (B, C)
    rest = enough.scatter(1, top, float("-inf")).logsumexp(dim=1)  # (B,)
    below = below.squeeze(1)  # (B,)
    return below + torch.log1p(-(rest - below).exp().clamp_max(_MOST))


def _log_others(log_probs: Tensor) -> Tensor:
    """Returns log(1 - p_c), (B, C), as a sum over the other classes."""
    own = torch.eye(log_probs.shape[1], dtype=torch.bool, device=log_probs.device)  # (C, C)
    return log_probs[:, None, :].masked_fill(own, float("-inf")).logsumexp(dim=2)


def _log_binomial(log_hit: Tensor, log_miss: Tensor, votes: int, hits: range) -> Tensor:
    """Returns the log-probability, shaped as log_hit, that the number of hits in n draws lies in a range."""
    terms = [math.log(math.comb(votes, j)) + j * log_hit + (votes - j) * log_miss for j in hits]
    return torch.stack(terms).logsumexp(dim=0)
