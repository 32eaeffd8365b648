"""Defines the speech encoder and the heads: small networks on cached features."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize


@dataclass(frozen=True)
class Architecture:
    """Sizes and kinds of the layers above the features, the same for all methods.

    Attributes:
        hidden: H, width of the hidden layer.
        projection: P, size of the embedding that is compared with prototypes.
        head: mlp (linear - ReLU - dropout - linear) or linear (linear - linear, as SUPERB).
        pooling: of frames over time, mean or attentive.
        dropout: share of the hidden units that training drops.
    """

    hidden: int
    projection: int
    head: str
    pooling: str
    dropout: float


class Standardizer(nn.Module):
    """Subtracts a mean and divides by a scale, both measured on the training part."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("scale", torch.ones(shape))

    def set(self, mean: Tensor, deviation: Tensor) -> None:
        """Sets mean and deviation, flat or in shape; a constant feature keeps scale 1."""
        self.mean.copy_(mean.reshape(self.mean.shape))
        # Dividing by a deviation near 0 would blow rounding errors up.
        self.scale.copy_(torch.where(deviation > 1e-8, deviation, torch.ones_like(deviation)).reshape(self.mean.shape))

    def forward(self, x: Tensor) -> Tensor:
        """Standardizes (..., *shape)."""
        inverse = 1 / self.scale
        return torch.addcmul(-self.mean * inverse, x, inverse)  # one pass over x, where (x - mean) / scale takes two


class LayerMix(nn.Module):
    """Standardizes SSL layers and sums them with learned weights (a softmax over L), as in SUPERB.

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
        # Frames of all layers come with the layers side by side, and each layer has its own mean and scale.
        return self.standardizer(x.unflatten(-1, (layers, dim)) if x.shape[-1] > dim else x)

    def sum_layers(self, states: Tensor) -> Tensor:
        """Maps standardized (B, L, D) to (B, D), or (B, T, L, D) to (B, T, D)."""
        if states.dim() == 4:
            return torch.einsum("l,btld->btd", self.logits.softmax(0), states)
        if len(self.logits) == 1:
            return states  # (B, 1, D) pooled, or (B, T, D) frames of one layer
        weights = self.logits.softmax(0).expand(states.shape[0], 1, -1)  # (B, 1, L)
        return torch.bmm(weights, states)[:, 0]  # (B, D); a product is several times as fast as einsum


class AttentivePooling(nn.Module):
    """Weights frames by attention and maps their weighted mean and deviation back to the hidden size.

    Source: attentive statistics pooling, Okabe et al. 2018 (arXiv 1803.10963).
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.score = nn.Sequential(nn.Linear(hidden, hidden // 2 + 1), nn.Tanh(), nn.Linear(hidden // 2 + 1, 1))
        self.output = nn.Linear(2 * hidden, hidden)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Maps (B, T, H) with the (B, T) mask of real frames to (B, H)."""
        # -inf is safe here: every utterance has a real frame, so no softmax runs over -inf alone.
        scores = self.score(x).squeeze(2).masked_fill(~mask, float("-inf"))  # (B, T)
        weight = scores.softmax(dim=1)[..., None]  # (B, T, 1)
        mean = (weight * x).sum(dim=1)  # (B, H)
        variance = (weight * (x - mean[:, None]) ** 2).sum(dim=1)  # (B, H)
        # The root has an infinite gradient at 0, which a single frame would reach.
        return self.output(torch.cat([mean, (variance + 1e-6).sqrt()], dim=1))  # (B, 2H) to (B, H)


class MeanPooling(nn.Module):
    """Averages the real frames."""

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Maps (B, T, H) with the (B, T) mask of real frames to (B, H)."""
        weight = mask[..., None].to(x.dtype)  # (B, T, 1)
        return (x * weight).sum(dim=1) / weight.sum(dim=1)  # (B, H)


class SpeechEncoder(nn.Module):
    """Mixes the layers, applies linear - ReLU - dropout, and pools frames over time without their padding.

    With `head: linear` there is no ReLU and no dropout, which makes layer weights - linear - mean - linear, the head of
    the SUPERB benchmark. A `front` computes features from waveforms and is trained with the rest.
    """

    def __init__(self, *, layers: int, dim: int, architecture: Architecture, front: nn.Module | None = None) -> None:
        super().__init__()
        self.front = front
        self.mix = LayerMix(layers, dim)
        hidden = architecture.hidden
        after = [] if architecture.head == "linear" else [nn.ReLU(), nn.Dropout(architecture.dropout)]
        self.trunk = nn.Sequential(nn.Linear(dim, hidden), *after)
        self.pooling = AttentivePooling(hidden) if architecture.pooling == "attentive" else MeanPooling()

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Encodes a batch.

        Args:
            x: (B, L, D) pooled layers, or (B, T, D) or (B, T, L·D) frames; with a front, a batch of its inputs.
            mask: (B, T) true where a frame is real; None for pooled features and with a front.

        Returns:
            (B, H).
        """
        if self.front is not None:
            x, mask = self.front(x)
        return self.above_mix(self.mix(x), mask)

    def above_mix(self, mixed: Tensor, mask: Tensor | None) -> Tensor:
        """Encodes mixed layers (B, D) or frames (B, T, D), or views of them, to (B, H)."""
        hidden = self.trunk(mixed)  # (B, H) or (B, T, H)
        if mask is None:
            return hidden.squeeze(1) if hidden.dim() == 3 else hidden  # a single layer stays: (B, 1, H)
        return self.pooling(hidden, mask)

    def frames(self, x: Tensor) -> Tensor:
        """Encodes frames (B, T, D) to (B, T, H) before they are pooled; pooled features to (B, H)."""
        return self.trunk(self.mix(x))


class IprNetwork(nn.Module):
    """The network of IPR: an encoder, and above it a linear classifier and a projection to unit embeddings.

    Attributes:
        embedding_size: P.
    """

    def __init__(
        self, *, layers: int, dim: int, classes: int, architecture: Architecture, front: nn.Module | None = None
    ) -> None:
        super().__init__()
        hidden, self.embedding_size = architecture.hidden, architecture.projection
        # The order of these lines decides which random numbers each layer starts with.
        self.encoder = SpeechEncoder(layers=layers, dim=dim, architecture=architecture, front=front)
        self.classifier = nn.Linear(hidden, classes)
        self.projection = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, self.embedding_size))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Returns logits (B, C) and unit embeddings (B, P) of a batch (see `SpeechEncoder.forward`)."""
        return self.above_encoder(self.encoder(x, mask))

    def above_encoder(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Returns logits (B, C) and unit embeddings (B, P) of encoded utterances (B, H)."""
        return self.classifier(hidden), normalize(self.projection(hidden), dim=1)


def make_head(inputs: int, classes: int, architecture: Architecture) -> nn.Sequential:
    """Makes linear - ReLU - dropout - linear, or linear - linear: (B, inputs) to (B, C)."""
    hidden = architecture.hidden
    between = [] if architecture.head == "linear" else [nn.ReLU(), nn.Dropout(architecture.dropout)]
    return nn.Sequential(nn.Linear(inputs, hidden), *between, nn.Linear(hidden, classes))
