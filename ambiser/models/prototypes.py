"""Initializes and updates prototypes, and computes ambiguous labels from them. No gradients."""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize


class PrototypeMemory(nn.Module):
    """Prototypes (C, P), running targets (N, C) of the N training utterances, and shares (C,).

    Only the targets of ambiguous utterances are used. The shares are a running mean of the ambiguous labels.
    """

    def __init__(self, classes: int, projection: int, utterances: int) -> None:
        super().__init__()
        self.register_buffer("prototypes", torch.zeros(classes, projection))
        self.register_buffer("targets", torch.full((utterances, classes), 1 / classes))
        self.register_buffer("shares", torch.full((classes,), 1 / classes))


def class_means(embeddings: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Averages the embeddings of each class and scales the means to unit length.

    Args:
        embeddings: (N, D) unit rows of precise utterances.
        labels: (N,) class of each, 0..C-1.
        classes: C.

    Returns:
        (C, D) unit rows; a class without an utterance gets a row of zeros.

    Source: IPR, eq. 2 (the mean is the paper's, the scaling inferred).
    """
    share = torch.nn.functional.one_hot(labels, classes).to(embeddings.dtype)  # (N, C)
    return normalize(share.T @ embeddings, dim=1)  # (C, D); the sum has the direction of the mean


def ambiguous_labels(embeddings: Tensor, prototypes: Tensor, temperature: float) -> Tensor:
    """Turns the cosines between utterances and prototypes into distributions: a softmax of cosines over τ_p.

    Args:
        embeddings: (B, D) unit rows.
        prototypes: (C, D) unit rows.
        temperature: τ_p > 0; a softmax of bare cosines could not exceed 0.711 with four classes.

    Returns:
        (B, C) rows that sum to 1.

    Source: IPR, eq. 3 (inferred).
    """
    return torch.softmax(embeddings @ prototypes.T / temperature, dim=1)


def align(labels: Tensor, wanted: Tensor, shares: Tensor) -> Tensor:
    """Scales ambiguous labels so that their mean approaches the wanted shares: a_c ← a_c w_c / s_c, rows to sum 1.

    Cosines ignore class frequencies: without this, the nearest prototype names a rare class too often.

    Args:
        labels: (B, C) rows that sum to 1.
        wanted: (C,) shares of the classes, w.
        shares: (C,) running mean of the labels before scaling, s.

    Returns:
        (B, C) rows that sum to 1.

    Source: distribution alignment of ReMixMatch (arXiv 1911.09785), adopted for IPR (decided here).
    """
    scaled = labels * (wanted / shares.clamp_min(1e-4))  # (B, C); the clamp bounds the factor of an unseen class
    return scaled / scaled.sum(dim=1, keepdim=True)


def move_hard(prototypes: Tensor, embeddings: Tensor, pseudo: Tensor, momentum: float) -> Tensor:
    """Moves prototypes by p_c ← γ p_c + (1−γ) k for each utterance in batch order, then rescales.

    Computed in closed form: with n_c utterances of class c, p_c ← γ^n_c p_c + (1−γ) Σ_j γ^(n_c−j) k_j, which is one
    (C, B) by (B, D) product.

    Args:
        prototypes: (C, D) unit rows.
        embeddings: (B, D) unit rows.
        pseudo: (B,) class of each, or -1 for an utterance without effect.
        momentum: γ in [0, 1]; 1 freezes the prototypes.

    Returns:
        (C, D) unit rows, in a new tensor. The prototype of a class without an utterance stays unchanged.

    Source: IPR, eq. 5, hard form (inferred).
    """
    if len(pseudo) == 0:
        return prototypes.clone()
    classes = torch.arange(len(prototypes), device=pseudo.device)[:, None]
    member = (pseudo == classes).to(prototypes.dtype)  # (C, B)
    so_far = member.cumsum(1)  # (C, B)
    count = so_far[:, -1:]  # (C, 1)
    weight = torch.pow(momentum, count - so_far).mul_(member)  # (C, B), gamma to the number of later members
    kept = torch.pow(momentum, count) * prototypes  # (C, D)
    return _renormalize(torch.addmm(kept, weight, embeddings, alpha=1 - momentum), prototypes)


def move_soft(prototypes: Tensor, embeddings: Tensor, soft_labels: Tensor, momentum: float) -> Tensor:
    """Moves each prototype once towards the mean of the batch weighted by the ambiguous labels, then rescales.

    With γ the momentum, p_c ← γ p_c + (1−γ) x_c, where x_c is the mean of the embeddings weighted by their soft label
    for c. The prototype of a class without weight stays unchanged.

    Args:
        prototypes: (C, D) unit rows.
        embeddings: (B, D) unit rows.
        soft_labels: (B, C) weights, not negative.
        momentum: γ in [0, 1].

    Returns:
        (C, D) unit rows, in a new tensor.

    Source: IPR, eq. 5, soft form (inferred).
    """
    mass = soft_labels.sum(dim=0)[:, None]  # (C, 1)
    mean = (soft_labels.T @ embeddings) / mass.clamp_min(1e-12)  # (C, D)
    moved = torch.where(mass > 0, momentum * prototypes + (1 - momentum) * mean, prototypes)
    return _renormalize(moved, prototypes)


def move_targets(targets: Tensor, classes: Tensor, momentum: float) -> Tensor:
    """Moves running targets towards the class of the nearest prototype: s ← φ s + (1−φ) onehot(class).

    Args:
        targets: (B, C) rows that sum to 1.
        classes: (B,) argmax of the similarities to the prototypes.
        momentum: φ in [0, 1].

    Returns:
        (B, C) rows that sum to 1.

    Source: PiCO (arXiv 2201.08984), adopted for IPR (inferred).
    """
    one_hot = torch.nn.functional.one_hot(classes, targets.shape[1]).to(targets.dtype)  # (B, C)
    return momentum * targets + (1 - momentum) * one_hot


def prototype_cosines(prototypes: Tensor) -> list[list[float]]:
    """Returns the (C, C) cosines between prototypes (IPR, figure 2)."""
    return (prototypes @ prototypes.T).clamp(-1, 1).tolist()  # rounding can leave [-1, 1]


def _renormalize(moved: Tensor, before: Tensor) -> Tensor:
    """Scales rows to unit length; a row that canceled to zero keeps its old direction."""
    length = torch.linalg.vector_norm(moved, dim=1, keepdim=True)  # (C, 1)
    return torch.where(length > 1e-12, moved / length, before)
