"""The supervised contrastive loss of IPR over the batch, its keys and a queue."""

import torch
from torch import Tensor
from torch.nn.functional import one_hot


def supervised_contrast(
    queries: Tensor,
    keys: Tensor,
    labels: Tensor,
    temperature: float,
    queue: Tensor | None = None,
    queue_labels: Tensor | None = None,
) -> Tensor:
    """Pulls every query towards the entries of its (pseudo) class and away from all others.

    For query i the loss is −1/|P(i)| Σ_{+ in P(i)} log( exp(q_i·k_+/τ) / Σ_{a in A(i)} exp(q_i·a/τ) ), where A(i) are
    all queries but i itself, all keys and the filled slots of the queue, and P(i) those of A(i) with i's label. P(i) is
    never empty: the query's own key is in it.

    Args:
        queries: (B, D) unit rows; gradients flow through them, also where they serve as entries for others.
        keys: (B, D) unit rows of the second view, in the same order; with gradients or without.
        labels: (B,) class of each utterance, or its pseudo label.
        temperature: τ > 0.
        queue: (Q, D) unit rows of earlier keys; only filled slots.
        queue_labels: (Q,) their classes.

    Returns:
        The mean over the batch.

    Source: IPR, eq. 6, second term (inferred).
    """
    fixed, fixed_labels = keys, labels
    if queue is not None:
        fixed, fixed_labels = torch.cat([keys, queue]), torch.cat([labels, queue_labels])
    scaled = queries / temperature
    among = (scaled @ queries.T).fill_diagonal_(float("-inf"))  # none is an entry for itself
    # In two parts, because keys mostly have no gradients.
    denominator = torch.logaddexp(among.logsumexp(dim=1), (scaled @ fixed.T).logsumexp(dim=1))
    # The logits of a query's positives sum to its product with the sum of them: no mask over all pairs is needed.
    classes = int(fixed_labels.max()) + 1
    own, others = one_hot(labels, classes).to(queries.dtype), one_hot(fixed_labels, classes).to(queries.dtype)
    positives = own @ (own.T @ queries + others.T @ fixed) - queries
    count = own @ (own.sum(dim=0) + others.sum(dim=0)) - 1
    summed = (scaled * positives).sum(dim=1) - count * denominator
    return -(summed / count).mean()
