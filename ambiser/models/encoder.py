"""The speech encoder and the heads: small networks on cached features."""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from ambiser.config.schema import Model


class Standardizer(nn.Module):
    """Subtracts a mean and divides by a scale that were measured on the training part."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("scale", torch.ones(shape))

    def set(self, mean: Tensor, deviation: Tensor) -> None:
        """Takes over mean and deviation, flat or in shape; a feature that never varies is left unscaled."""
        self.mean.copy_(mean.reshape(self.mean.shape))
        self.scale.copy_(torch.where(deviation > 1e-8, deviation, torch.ones_like(deviation)).reshape(self.mean.shape))

    def forward(self, x: Tensor) -> Tensor:
        """Standardises (..., *shape)."""
        inverse = 1 / self.scale
        return torch.addcmul(-self.mean * inverse, x, inverse)  # one pass over x


class LayerMix(nn.Module):
    """Standardises SSL layers and sums them with learned weights (a softmax over L), as in SUPERB.

    Pooled features (B, L, D) become (B, D), and frames of all layers (B, T, L·D) become (B, T, D). Frames (B, T, D)
    of one layer are only standardised.
    """

    def __init__(self, layers: int, dim: int) -> None:
        super().__init__()
        self.standardizer = Standardizer((layers, dim))
        self.logits = nn.Parameter(torch.zeros(layers))

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, L, D) to (B, D), or (B, T, L·D) to (B, T, D)."""
        return self.sum_layers(self.standardize(x))

    def standardize(self, x: Tensor) -> Tensor:
        """Standardizes (B, L, D), or (B, T, L·D), which becomes (B, T, L, D)."""
        layers, dim = self.standardizer.mean.shape
        return self.standardizer(x.unflatten(-1, (layers, dim)) if x.shape[-1] > dim else x)

    def sum_layers(self, states: Tensor) -> Tensor:
        """Maps standardized (B, L, D) to (B, D), or (B, T, L, D) to (B, T, D)."""
        if states.dim() == 4:
            return torch.einsum("l,btld->btd", self.logits.softmax(0), states)
        if len(self.logits) == 1:
            return states
        weights = self.logits.softmax(0).expand(len(states), 1, -1)  # as one product, several times as fast as einsum
        return torch.bmm(weights, states)[:, 0]


class AttentivePooling(nn.Module):
    """Weighs frames by attention and maps their weighted mean and deviation back to the hidden size.

    Source: attentive statistics pooling, Okabe et al. 2018 (arXiv 1803.10963).
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.score = nn.Sequential(nn.Linear(hidden, hidden // 2 + 1), nn.Tanh(), nn.Linear(hidden // 2 + 1, 1))
        self.output = nn.Linear(2 * hidden, hidden)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Maps (B, T, H) with the (B, T) mask of real frames to (B, H)."""
        scores = self.score(x).squeeze(2).masked_fill(~mask, float("-inf"))
        weight = scores.softmax(dim=1)[..., None]  # (B, T, 1)
        mean = (weight * x).sum(dim=1)
        variance = (weight * (x - mean[:, None]) ** 2).sum(dim=1)
        return self.output(torch.cat([mean, (variance + 1e-6).sqrt()], dim=1))


class MeanPooling(nn.Module):
    """Averages the real frames."""

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Maps (B, T, H) with the (B, T) mask of real frames to (B, H)."""
        weight = mask[..., None].to(x.dtype)
        return (x * weight).sum(dim=1) / weight.sum(dim=1)


class SpeechEncoder(nn.Module):
    """Layer weights, a linear layer, ReLU, dropout; over frames a pooling follows that sees real frames only.

    With `head: linear` there is no ReLU and no dropout, which makes layer weights - linear - mean - linear, the head of
    the SUPERB benchmark. A `front` makes the features of what it is given (waveforms), and learns with the rest.
    """

    def __init__(self, *, layers: int, dim: int, model: Model, front: nn.Module | None = None) -> None:
        super().__init__()
        self.front = front
        self.mix = LayerMix(layers, dim)
        after = [] if model.head == "linear" else [nn.ReLU(), nn.Dropout(model.dropout)]
        self.trunk = nn.Sequential(nn.Linear(dim, model.hidden), *after)
        self.pooling = AttentivePooling(model.hidden) if model.pooling == "attentive" else MeanPooling()

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Encodes a batch.

        Args:
            x: (B, L, D) pooled layers, or (B, T, D) or (B, T, L·D) frames; with a front, B of what that takes.
            mask: (B, T) true where a frame is real; None for pooled features, and with a front.

        Returns:
            (B, H).
        """
        if self.front is not None:
            x, mask = self.front(x)
        return self.above_mix(self.mix(x), mask)

    def above_mix(self, mixed: Tensor, mask: Tensor | None) -> Tensor:
        """Encodes what `mix` gave, or a view of it."""
        hidden = self.trunk(mixed)  # (B, H) or (B, T, H)
        if mask is None:
            return hidden.squeeze(1) if hidden.dim() == 3 else hidden
        return self.pooling(hidden, mask)

    def frames(self, x: Tensor) -> Tensor:
        """Encodes frames (B, T, D) to (B, T, H) before they are pooled; pooled features to (B, H)."""
        return self.trunk(self.mix(x))


class IprNetwork(nn.Module):
    """The network of IPR: encoder, a linear classifier, and beside it a projection to unit embeddings."""

    def __init__(self, *, layers: int, dim: int, classes: int, model: Model, front: nn.Module | None = None) -> None:
        super().__init__()
        hidden = model.hidden
        self.encoder = SpeechEncoder(layers=layers, dim=dim, model=model, front=front)
        self.classifier = nn.Linear(hidden, classes)
        self.projection = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, model.projection))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Returns logits (B, C) and unit embeddings (B, P) of a batch (see `SpeechEncoder.forward`)."""
        return self.above_encoder(self.encoder(x, mask))

    def above_encoder(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Returns logits (B, C) and unit embeddings (B, P) of encoded utterances (B, H)."""
        return self.classifier(hidden), normalize(self.projection(hidden), dim=1)


def make_head(inputs: int, classes: int, model: Model) -> nn.Sequential:
    """Makes linear - ReLU - dropout - linear, or linear - linear."""
    between = [] if model.head == "linear" else [nn.ReLU(), nn.Dropout(model.dropout)]
    return nn.Sequential(nn.Linear(inputs, model.hidden), *between, nn.Linear(model.hidden, classes))
