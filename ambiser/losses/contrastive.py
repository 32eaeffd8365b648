"""Computes the supervised contrastive loss of IPR over the batch, its keys and a queue."""

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

    The loss of query i is −1/|P(i)| Σ_{+ in P(i)} log( exp(q_i·k_+/τ) / Σ_{a in A(i)} exp(q_i·a/τ) ). A(i) is the other
    queries, all keys and the queue; P(i) is the entries of A(i) with i's label.

    Args:
        queries: (B, D) unit rows; gradients also flow through them as entries for other queries.
        keys: (B, D) unit rows of the second view, in the same order; with gradients or without.
        labels: (B,) class or pseudo label of each utterance.
        temperature: τ > 0.
        queue: (Q, D) unit rows of earlier keys; filled slots only.
        queue_labels: (Q,) their classes.

    Returns:
        The mean over the batch.

    Source: IPR, eq. 6, second term (inferred).
    """
    fixed = keys if queue is None else torch.cat([keys, queue])  # (B + Q, D)
    fixed_labels = labels if queue_labels is None else torch.cat([labels, queue_labels])  # (B + Q,)
    scaled = queries / temperature  # (B, D)
    among = (scaled @ queries.T).fill_diagonal_(float("-inf"))  # (B, B); a query is no entry for itself
    # Two sums instead of one over joined entries: keys mostly have no gradient, and joining would compute one.
    denominator = torch.logaddexp(among.logsumexp(dim=1), (scaled @ fixed.T).logsumexp(dim=1))  # (B,)
    # The logits of a query's positives add up to its product with their sum, so no (B, B + Q) mask is needed.
    classes = int(fixed_labels.max()) + 1
    own = one_hot(labels, classes).to(queries.dtype)  # (B, C)
    others = one_hot(fixed_labels, classes).to(queries.dtype)  # (B + Q, C)
    positives = own @ (own.T @ queries + others.T @ fixed) - queries  # (B, D)
    count = own @ (own.sum(dim=0) + others.sum(dim=0)) - 1  # (B,); at least 1: the query's own key
    summed = (scaled * positives).sum(dim=1) - count * denominator  # (B,)
    return -(summed / count).mean()
