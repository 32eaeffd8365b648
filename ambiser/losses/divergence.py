"""Divergences between a label distribution and a predicted one, an utterance at a time.

All take the reference as probabilities and the prediction as log-probabilities and return one value per utterance in
nats, so that they can stand for each other in every objective. Logarithms of the reference are clamped: `xlogy` would
give a NaN gradient where a one-hot reference is 0.
"""

from collections.abc import Callable

from torch import Tensor

_TINY = 1e-12


def js_divergence(probs: Tensor, log_probs: Tensor) -> Tensor:
    """Computes the Jensen–Shannon divergence: half KL(y‖m) plus half KL(p‖m) with m the mean of y and p.

    Args:
        probs: (B, C) reference y, rows that sum to 1.
        log_probs: (B, C) logarithm of the prediction p; both may have further dimensions in front, which broadcast.

    Returns:
        (B,) in [0, log 2] nats; 0 where y = p.
    """
    predicted = log_probs.exp()
    log_mean = ((probs + predicted) / 2).clamp_min(_TINY).log()
    of_reference = probs * (probs.clamp_min(_TINY).log() - log_mean)
    of_prediction = predicted * (log_probs - log_mean)
    return (of_reference + of_prediction).sum(dim=-1) / 2


def kl_divergence(probs: Tensor, log_probs: Tensor) -> Tensor:
    """Computes KL(y‖p), the sum of y (log y − log p); shapes as `js_divergence`, values in [0, ∞)."""
    return (probs * (probs.clamp_min(_TINY).log() - log_probs)).sum(dim=-1)


def soft_cross_entropy(probs: Tensor, log_probs: Tensor) -> Tensor:
    """Computes −Σ y log p; shapes as `js_divergence`. With a one-hot y it is the usual cross-entropy."""
    return -(probs * log_probs).sum(dim=-1)


def entropy(probs: Tensor) -> Tensor:
    """Computes −Σ p log p in nats over the last dimension."""
    return -(probs * probs.clamp_min(_TINY).log()).sum(dim=-1)


DIVERGENCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "jsd": js_divergence,
    "kl": kl_divergence,
    "soft_ce": soft_cross_entropy,
}
