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
    size = len(queries)
    entries = torch.cat([queries, keys] if queue is None else [queries, keys, queue])
    entry_labels = torch.cat([labels, labels] if queue_labels is None else [labels, labels, queue_labels])
    logits = queries @ entries.T / temperature  # (B, 2B + Q)
    itself = torch.zeros_like(logits, dtype=torch.bool)
    itself.fill_diagonal_(True)
    logits = logits.masked_fill(itself, float("-inf"))
    log_probs = logits - torch.logsumexp(logits, dim=1, keepdim=True)
    positive = (labels[:, None] == entry_labels[None, :]) & ~itself
    count = positive.sum(dim=1)
    summed = log_probs.masked_fill(~positive, 0.0).sum(dim=1)
    loss = -(summed / count.clamp_min(1)).sum() / size
    return loss, int((count == 0).sum())
