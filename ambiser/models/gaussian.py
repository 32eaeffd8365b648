"""Fits Gaussian prototypes: class means of whitened features with a shared covariance. No gradients."""

import torch
from torch import Tensor, nn

LEAST_PROB = 1e-6
"""Probabilities below it count as this much in a product, so that neither side can veto a class."""


class GaussianPrototypes(nn.Module):
    """Classifies features (N, F) by class means (C, K) in K whitened principal components.

    With u the whitened features, log a_c = u' S^-1 p_c - p_c' S^-1 p_c / 2 + log π_c up to a constant: linear
    discriminant analysis.

    Attributes:
        dims: K.
        share: (), the exponent of its posteriors in a geometric mean with another prediction.
    """

    def __init__(self, features: int, dims: int, classes: int) -> None:
        super().__init__()
        self.dims = dims
        self.register_buffer("center", torch.zeros(features))
        self.register_buffer("axes", torch.zeros(features, dims))
        self.register_buffer("means", torch.zeros(classes, dims))
        self.register_buffer("precision", torch.eye(dims))
        self.register_buffer("log_prior", torch.zeros(classes))
        self.register_buffer("share", torch.ones(()))

    @torch.no_grad()
    def fit_whitening(self, x: Tensor) -> None:
        """Sets center and axes from features (N, F): standardization, then whitened principal components.

        Components that the data do not have (fewer utterances than K) become zero.
        """
        x = x.double()
        center, scale = x.mean(dim=0), x.std(dim=0, unbiased=False)
        scale = torch.where(scale > 1e-8, scale, torch.ones_like(scale))
        _, values, axes = torch.linalg.svd((x - center) / scale, full_matrices=False)
        kept = values[: self.dims] > 1e-6 * values[0].clamp_min(1e-12)  # of N centered rows at most N - 1
        axes, values = axes[: self.dims][kept], values[: self.dims][kept]  # (K', F), (K',)
        deviation = values / max(1, len(x) - 1) ** 0.5
        self.center.copy_(center)
        self.axes.zero_()
        self.axes[:, : len(axes)] = (axes / deviation[:, None] / scale).T

    @torch.no_grad()
    def fit_classes(
        self, x: Tensor, weights: Tensor, log_prior: Tensor, *, prior_count: float, shrinkage: float
    ) -> None:
        """Sets means, precision and prior.

        Args:
            x: (N, F) features.
            weights: (N, C) weight of each utterance in each class.
            log_prior: (C,) logarithm of the class shares.
            prior_count: number of utterances at the origin, the overall mean, that are added to each class.
            shrinkage: share of the covariance that is replaced by its mean variance in all directions, in (0, 1].
        """
        u, weights = self.whiten(x).double(), weights.double()  # (N, K), (N, C)
        means = (weights.T @ u) / (weights.sum(dim=0) + prior_count).clamp_min(1e-12)[:, None]  # (C, K)
        total = weights.sum()
        # Σ_ic w_ic (u_i - p_c)(u_i - p_c)', multiplied out so that no (N, C, K) tensor is needed.
        cross = means.T @ (weights.T @ u)  # (K, K)
        scatter = u.T @ (weights.sum(dim=1)[:, None] * u) - cross - cross.T
        covariance = (scatter + means.T @ (weights.sum(dim=0)[:, None] * means)) / total
        spread = covariance.diagonal().mean().clamp_min(1e-12)
        identity = torch.eye(self.dims, dtype=u.dtype, device=u.device)
        self.means.copy_(means)
        self.precision.copy_(torch.linalg.inv((1 - shrinkage) * covariance + shrinkage * spread * identity))
        self.log_prior.copy_(log_prior)

    def whiten(self, x: Tensor) -> Tensor:
        """Maps (N, F) to (N, K)."""
        return (x - self.center) @ self.axes

    @torch.no_grad()
    def posterior(self, x: Tensor, temperature: float = 1.0) -> Tensor:
        """Returns class probabilities (N, C) of features (N, F); a temperature above 1 softens them."""
        slopes = self.precision @ self.means.T  # (K, C)
        offset = self.log_prior - (self.means.T * slopes).sum(dim=0) / 2  # (C,)
        return ((self.whiten(x) @ slopes + offset) / temperature).softmax(dim=1)


def geometric_mean(first: Tensor, second: Tensor, share: float) -> Tensor:
    """Returns first^(1 - share) second^share of probabilities (N, C), scaled so that rows sum to 1."""
    logs = (1 - share) * first.clamp_min(LEAST_PROB).log() + share * second.clamp_min(LEAST_PROB).log()
    return logs.softmax(dim=1)
