"""Prototypes: their start, the ambiguous labels they give, and how ambiguous utterances move them. No gradients."""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize


class PrototypeMemory(nn.Module):
    """Prototypes (C, P), running targets (N, C) of the N training utterances, and shares (C,).

    Of the targets only ambiguous rows are used. The shares are a running mean of the ambiguous labels.
    """

    def __init__(self, classes: int, projection: int, utterances: int) -> None:
        super().__init__()
        self.register_buffer("prototypes", torch.zeros(classes, projection))
        self.register_buffer("targets", torch.full((utterances, classes), 1 / classes))
        self.register_buffer("shares", torch.full((classes,), 1 / classes))


def class_means(embeddings: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Averages the embeddings of every class and scales the means to unit length.

    Args:
        embeddings: (N, D) unit rows of precise utterances.
        labels: (N,) class of each, 0..C-1.
        classes: C.

    Returns:
        (C, D) unit rows; a class without an utterance gets a row of zeros.

    Source: IPR, eq. 2 (the mean is the paper's, the scaling inferred).
    """
    share = torch.nn.functional.one_hot(labels, classes).to(embeddings.dtype)  # (N, C)
    return normalize(share.T @ embeddings, dim=1)


def ambiguous_labels(embeddings: Tensor, prototypes: Tensor, temperature: float) -> Tensor:
    """Computes the similarity of every utterance to all prototypes as a distribution: softmax of cosines over τ_p.

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
    """Scales ambiguous labels so that their mean gets near the wanted shares: a_c ← a_c w_c / s_c, rows to sum 1.

    Cosines know nothing of how frequent a class is. Where one is rare, the nearest prototype names it too often.

    Args:
        labels: (B, C) rows that sum to 1.
        wanted: (C,) shares of the classes, w.
        shares: (C,) the mean of such labels so far, s.

    Returns:
        (B, C) rows that sum to 1.

    Source: distribution alignment of ReMixMatch (arXiv 1911.09785), taken over for IPR (decided here).
    """
    scaled = labels * (wanted / shares.clamp_min(1e-4))
    return scaled / scaled.sum(dim=1, keepdim=True)


def move_hard(prototypes: Tensor, embeddings: Tensor, pseudo: Tensor, momentum: float) -> Tensor:
    """Moves prototypes as if p_c ← γ p_c + (1−γ) k were done utterance by utterance in batch order, then rescales.

    The closed form: with n_c utterances of class c, p_c ← γ^n_c p_c + (1−γ) Σ_j γ^(n_c−j) k_j, which is one (C, B) by
    (B, D) product.

    Args:
        prototypes: (C, D) unit rows.
        embeddings: (B, D) unit rows.
        pseudo: (B,) class of each, or -1 for an utterance that moves nothing.
        momentum: γ in [0, 1]; 1 freezes the prototypes.

    Returns:
        (C, D) unit rows; the arguments are left as they were. A class without an utterance stays put.

    Source: IPR, eq. 5, hard form (inferred).
    """
    if len(pseudo) == 0:
        return prototypes.clone()
    classes = torch.arange(len(prototypes), device=pseudo.device)[:, None]
    member = (pseudo == classes).to(prototypes.dtype)  # (C, B)
    so_far = member.cumsum(1)
    count = so_far[:, -1:]
    weight = torch.pow(momentum, count - so_far).mul_(member)  # gamma to the number of members after it
    kept = torch.pow(momentum, count) * prototypes
    return _renormalize(torch.addmm(kept, weight, embeddings, alpha=1 - momentum), prototypes)


def move_soft(prototypes: Tensor, embeddings: Tensor, soft_labels: Tensor, momentum: float) -> Tensor:
    """Moves each prototype once towards the mean of the batch weighted by the ambiguous labels, then rescales.

    With γ the momentum, p_c ← γ p_c + (1−γ) x_c, where x_c is the mean of the embeddings weighted by their soft label
    for c. A class without any weight stays put.

    Args:
        prototypes: (C, D) unit rows.
        embeddings: (B, D) unit rows.
        soft_labels: (B, C) weights, not negative.
        momentum: γ in [0, 1].

    Returns:
        (C, D) unit rows; the arguments are left as they were.

    Source: IPR, eq. 5, soft form (inferred).
    """
    mass = soft_labels.sum(dim=0)[:, None]  # (C, 1)
    mean = (soft_labels.T @ embeddings) / mass.clamp_min(1e-12)
    moved = torch.where(mass > 0, momentum * prototypes + (1 - momentum) * mean, prototypes)
    return _renormalize(moved, prototypes)


def move_targets(targets: Tensor, classes: Tensor, momentum: float) -> Tensor:
    """Moves running targets towards the class that the prototypes see: s ← φ s + (1−φ) onehot(class).

    Args:
        targets: (B, C) rows that sum to 1.
        classes: (B,) argmax of the similarities to the prototypes.
        momentum: φ in [0, 1].

    Returns:
        (B, C) rows that sum to 1.

    Source: PiCO (arXiv 2201.08984), taken over for IPR (inferred).
    """
    one_hot = torch.nn.functional.one_hot(classes, targets.shape[1]).to(targets.dtype)
    return momentum * targets + (1 - momentum) * one_hot


def prototype_cosines(prototypes: Tensor) -> list[list[float]]:
    """Returns the (C, C) cosines between prototypes (IPR, figure 2)."""
    return (prototypes @ prototypes.T).clamp(-1, 1).tolist()


def _renormalize(moved: Tensor, before: Tensor) -> Tensor:
    """Scales rows to unit length; a row that cancelled to zero keeps its old direction."""
    length = torch.linalg.vector_norm(moved, dim=1, keepdim=True)
    return torch.where(length > 1e-12, moved / length, before)
