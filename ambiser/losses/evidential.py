"""Computes the losses of Dirichlet prior networks: a head predicts a Dirichlet and learns from the votes."""

import torch
from torch import Tensor


def concentrations(logits: Tensor) -> Tensor:
    """Returns the Dirichlet's concentrations α = 1 + softplus(z), (B, C), all above 1."""
    return 1 + torch.nn.functional.softplus(logits)


def vote_likelihood(counts: Tensor, alpha: Tensor) -> Tensor:
    """Computes the negative log-likelihood of a vote under the Dirichlet's mean: −Σ n_c log(α_c / Σα) / Σ n.

    Args:
        counts: (B, C) vote mass, not all 0 in a row.
        alpha: (B, C) concentrations.

    Returns:
        (B,) in nats per vote.

    Source: Wu et al. 2024, arXiv 2402.12862 (the marginal likelihood of each vote; inferred from its abstract).
    """
    log_mean = alpha.log() - alpha.sum(dim=1, keepdim=True).log()  # (B, C)
    return -(counts * log_mean).sum(dim=1) / counts.sum(dim=1)  # (B,)


def misleading_evidence(counts: Tensor, alpha: Tensor) -> Tensor:
    """Computes KL(Dir(α̃) ‖ Dir(1)), where α̃ = y + (1 − y) α keeps only the evidence against the vote shares y.

    It is 0 when one class has all votes and all evidence. Evidence for a class without votes raises it.

    Args:
        counts: (B, C) vote mass, not all 0 in a row.
        alpha: (B, C) concentrations, at least 1.

    Returns:
        (B,) in nats.

    Source: the regularizer R2 of Wu et al. 2024 extends Sensoy et al. 2018, eq. 5, to soft labels (form inferred).
    """
    shares = counts / counts.sum(dim=1, keepdim=True)  # (B, C)
    kept = shares + (1 - shares) * alpha  # (B, C)
    total = kept.sum(dim=1)  # (B,)
    classes = torch.tensor(float(alpha.shape[1]), dtype=alpha.dtype, device=alpha.device)
    normalizers = torch.lgamma(total) - torch.lgamma(classes) - torch.lgamma(kept).sum(dim=1)  # (B,)
    slopes = ((kept - 1) * (torch.digamma(kept) - torch.digamma(total)[:, None])).sum(dim=1)  # (B,)
    return normalizers + slopes
