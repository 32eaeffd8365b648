"""Compares the mean prediction for ambiguous utterances with wanted class shares (decided here)."""

import torch
from torch import Tensor, nn


class MeanPrediction(nn.Module):
    """A running mean (C,) of predicted probabilities; it starts uniform."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.full((classes,), 1 / classes))


def class_share_loss(probs: Tensor, wanted: Tensor, mean: Tensor, momentum: float) -> tuple[Tensor, Tensor]:
    """Computes the cross-entropy of the wanted shares with the running mean, and moves the mean by a batch.

    With r the running mean and b the mean of the batch, the new mean is m = φ r + (1 − φ) b, and the loss is
    −Σ_c w_c log m_c / (1 − φ). The gradient passes through b alone; the division keeps its size at any momentum φ. The
    mean of a batch by itself is too noisy: rare classes are absent from most batches.

    Args:
        probs: (B, C) predictions, B >= 1.
        wanted: (C,) shares w that sum to 1.
        mean: (C,) running mean r before the batch.
        momentum: φ in [0, 1).

    Returns:
        The loss in nats, and the new running mean (C,) without gradient.
    """
    moved = momentum * mean + (1 - momentum) * probs.mean(dim=0)  # (C,)
    loss = -(wanted * moved.clamp_min(1e-6).log()).sum() / (1 - momentum)
    return loss, moved.detach()
