"""Computes the losses of attributes: agreement with the raters' means, and the likelihood of their spread."""

import torch
from torch import Tensor

_SMALL = 1e-8


def concordance(one: Tensor, other: Tensor) -> Tensor:
    """Returns the concordance correlation coefficient 2 cov / (var + var' + (mean − mean')²) of (B,) and (B,).

    It is 1 for equal values, and 0 where one of them is constant.

    Source: Lin 1989; 1 − CCC is the usual loss of attributes in speech.
    """
    gap = one.mean() - other.mean()
    covariance = ((one - one.mean()) * (other - other.mean())).mean()
    return 2 * covariance / (one.var(correction=0) + other.var(correction=0) + gap**2 + _SMALL)


def spread_likelihood(variance: Tensor, log_spread: Tensor, count: Tensor) -> Tensor:
    """Returns the mean negative log-likelihood of the raters' deviations from their mean, without constants.

    For an utterance with n ratings of unbiased variance v, a normal distribution of deviation σ gives
    (n − 1) (log σ + v / (2 σ²)); the mean is over all n − 1.

    Args:
        variance: (B,) v.
        log_spread: (B,) log σ.
        count: (B,) n, at least 2.
    """
    free = count - 1
    return (free * (log_spread + variance / 2 * torch.exp(-2 * log_spread))).sum() / free.sum()
