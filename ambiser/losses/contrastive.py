"""The supervised contrastive loss of IPR over the batch, its keys and a queue."""

import torch
from torch import Tensor


def supervised_contrast(
    queries: Tensor,
    keys: Tensor,
    labels: Tensor,
    temperature: float,
    queue: Tensor | None = None,
    queue_labels: Tensor | None = None,
) -> tuple[Tensor, int]:
    """Pulls every query towards the entries of its (pseudo) class and away from all others.

    For query i the loss is −1/|P(i)| Σ_{+ in P(i)} log( exp(q_i·k_+/τ) / Σ_{a in A(i)} exp(q_i·a/τ) ), where A(i) are
    all queries but i itself, all keys and the filled slots of the queue, and P(i) those of A(i) with i's label. A query
    without a positive adds 0 and is counted.

    Args:
        queries: (B, D) unit rows; gradients flow through them, also where they serve as entries for others.
        keys: (B, D) unit rows of the second view, in the same order.
        labels: (B,) class of each utterance, or its pseudo label.
        temperature: τ > 0.
        queue: (Q, D) unit rows of earlier keys; only filled slots.
        queue_labels: (Q,) their classes.

    Returns:
        The mean over the batch, and how many queries had no positive.

    Source: IPR, eq. 6, second term (inferred).
    """
    fixed = keys if queue is None else torch.cat([keys, queue])
    entry_labels = torch.cat([labels, labels] if queue_labels is None else [labels, labels, queue_labels])
    scaled = queries / temperature
    among = (scaled @ queries.T).fill_diagonal_(float("-inf"))  # none is an entry for itself
    logits = torch.cat([among, scaled @ fixed.T], dim=1)  # (B, 2B + Q); in two products: keys need no gradients
    positive = (labels[:, None] == entry_labels[None, :]).fill_diagonal_(False)
    count = positive.sum(dim=1)
    # The sum of log-probabilities is that of the logits less as many logarithms of the denominator.
    summed = torch.where(positive, logits, 0.0).sum(dim=1) - count * torch.logsumexp(logits, dim=1)
    return -(summed / count.clamp_min(1)).mean(), int((count == 0).sum())
