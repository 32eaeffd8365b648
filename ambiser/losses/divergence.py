"""Computes divergences between a target and a predicted distribution, one value per utterance.

All take the target as probabilities and the prediction as log-probabilities and return nats, so that any of them can
serve in any objective. To add one, see ambiser/README.md.
"""

from collections.abc import Callable

from torch import Tensor

# The target is clamped before its logarithm: `xlogy` would give a NaN gradient where a one-hot target is 0.
_TINY = 1e-12


def js_divergence(target: Tensor, log_probs: Tensor) -> Tensor:
    """Computes the Jensen-Shannon divergence: half KL(y‖m) plus half KL(p‖m) with m the mean of y and p.

    Args:
        target: (B, C) target y, rows that sum to 1.
        log_probs: (B, C) logarithm of the prediction p. Both may have leading dimensions, which broadcast.

    Returns:
        (B,) in [0, log 2] nats; 0 where y = p.
    """
    probs = log_probs.exp()  # (B, C)
    log_mean = ((target + probs) / 2).clamp_min(_TINY).log()  # (B, C)
    target_part = target * (target.clamp_min(_TINY).log() - log_mean)
    probs_part = probs * (log_probs - log_mean)
    return (target_part + probs_part).sum(dim=-1) / 2  # (B,)


def kl_divergence(target: Tensor, log_probs: Tensor) -> Tensor:
    """Computes KL(y‖p), the sum of y (log y − log p); shapes as in `js_divergence`, values in [0, ∞)."""
    return (target * (target.clamp_min(_TINY).log() - log_probs)).sum(dim=-1)  # (B,)


def soft_cross_entropy(target: Tensor, log_probs: Tensor) -> Tensor:
    """Computes −Σ y log p; shapes as in `js_divergence`. With a one-hot y it is the usual cross-entropy."""
    return -(target * log_probs).sum(dim=-1)  # (B,)


def entropy(probs: Tensor) -> Tensor:
    """Computes −Σ p log p in nats over the last dimension: (..., C) to (...)."""
    return -(probs * probs.clamp_min(_TINY).log()).sum(dim=-1)


DIVERGENCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "jsd": js_divergence,
    "kl": kl_divergence,
    "soft_ce": soft_cross_entropy,
}
"""By the values of `amber.divergence`."""
