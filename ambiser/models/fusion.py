"""Defines the network of AmbER²: a head on speech, a head on text, and a head on both."""

import torch
from torch import Tensor, nn

from ambiser.models.attention import CrossAttention
from ambiser.models.encoder import Architecture, IprNetwork, LayerMix, SpeechEncoder, Standardizer, make_head
from ambiser.models.gaussian import LEAST_PROB, GaussianPrototypes
from ambiser.models.prototypes import PrototypeMemory, ambiguous_labels


class IprTower(nn.Module):
    """The speech side of AmbER² after IPR: IPR's hidden vector and, on request, what its prototypes say.

    Args:
        network: IPR's network.
        memory: its prototypes.
        temperature: τ_p of the ambiguous label.
        use_prototypes: append the C similarities to the hidden vector, and the C log-posteriors of `gaussian`.
        freeze: do not train the network.
        gaussian: Gaussian prototypes in the space of pooled features, or None.
    """

    def __init__(
        self,
        network: IprNetwork,
        memory: PrototypeMemory,
        temperature: float,
        use_prototypes: bool,
        freeze: bool,
        gaussian: GaussianPrototypes | None = None,
    ) -> None:
        super().__init__()
        self.network = network.requires_grad_(False) if freeze else network
        self.memory = memory
        self.temperature = temperature
        self.use_prototypes = use_prototypes
        self.gaussian = gaussian

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Maps a batch of features to (B, H), (B, H + C), or (B, H + 2 C) with Gaussian prototypes."""
        known = self._compare(self.network.encoder(x, mask))
        if self.gaussian is None:
            return known
        # The same floor as in the product with the classifier, so that head A can start as that product.
        posterior = self.gaussian.posterior(x.flatten(1)).clamp_min(LEAST_PROB).log()  # (B, C)
        return torch.cat([known, posterior], dim=1)

    def frames(self, x: Tensor) -> Tensor:
        """Maps frames (B, T, D) to (B, T, H)."""
        return self.network.encoder.frames(x)

    def pool(self, frames: Tensor, mask: Tensor) -> Tensor:
        """Pools encoded frames (B, T, H) to the vector that `forward` returns."""
        return self._compare(self.network.encoder.pooling(frames, mask))

    def _compare(self, hidden: Tensor) -> Tensor:
        if not self.use_prototypes:
            return hidden
        embeddings = nn.functional.normalize(self.network.projection(hidden), dim=1)  # (B, P)
        return torch.cat([hidden, ambiguous_labels(embeddings, self.memory.prototypes, self.temperature)], dim=1)


class FeatureTower(nn.Module):
    """The speech side without IPR: the mixed layers unchanged, or encoded frames pooled over time.

    A `front` computes features from waveforms and is trained with the rest.
    """

    def __init__(
        self, *, layers: int, dim: int, frames: bool, architecture: Architecture, front: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.front = front
        if frames:
            self.encoder: nn.Module = SpeechEncoder(layers=layers, dim=dim, architecture=architecture)
        else:
            self.encoder = LayerMix(layers, dim)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Maps a batch of features to (B, D) or (B, H)."""
        if self.front is not None:
            x, mask = self.front(x)
        if mask is not None:
            return self.encoder(x, mask)
        mixed = self.encoder(x)  # (B, D), or (B, 1, D) of a single layer
        return mixed.squeeze(1) if mixed.dim() == 3 else mixed

    def frames(self, x: Tensor) -> Tensor:
        """Maps frames (B, T, D) to (B, T, H)."""
        return self.encoder.frames(x)

    def pool(self, frames: Tensor, mask: Tensor) -> Tensor:
        """Pools encoded frames (B, T, H) to the vector that `forward` returns."""
        return self.encoder.pooling(frames, mask)


class GatedFusion(nn.Module):
    """Mixes projections of speech and text: g ⊙ W_a a + (1 − g) ⊙ W_t t, with the gate g = σ(W [a; t])."""

    def __init__(self, speech: int, text: int, hidden: int) -> None:
        super().__init__()
        self.speech = nn.Linear(speech, hidden)
        self.text = nn.Linear(text, hidden)
        self.gate = nn.Linear(speech + text, hidden)

    def forward(self, speech: Tensor, text: Tensor) -> Tensor:
        """Maps (B, width) and (B, Dt) to (B, H)."""
        gate = torch.sigmoid(self.gate(torch.cat([speech, text], dim=1)))  # (B, H)
        return gate * self.speech(speech) + (1 - gate) * self.text(text)


class GatedConcatenation(nn.Module):
    """Concatenates speech and text and scales each value by a gate: g ⊙ [a; t], with g = σ(W [a; t] + b).

    Source: AmbER², fusion (concatenation through a gate: a digest of the paper; the gate's form is inferred).
    """

    def __init__(self, speech: int, text: int) -> None:
        super().__init__()
        self.gate = nn.Linear(speech + text, speech + text)

    def forward(self, speech: Tensor, text: Tensor) -> Tensor:
        """Maps (B, width) and (B, Dt) to (B, width + Dt)."""
        both = torch.cat([speech, text], dim=1)  # (B, width + Dt)
        return torch.sigmoid(self.gate(both)) * both


class Concatenation(nn.Module):
    """Concatenates speech and text."""

    def forward(self, speech: Tensor, text: Tensor) -> Tensor:
        """Maps (B, width) and (B, Dt) to (B, width + Dt)."""
        return torch.cat([speech, text], dim=1)


class AmberNetwork(nn.Module):
    """Heads A (speech), T (text) and AT (both) over one speech tower and standardized text features.

    Args:
        tower: maps a batch of speech features to (B, width).
        width: output size of the tower.
        encoded: the tower ends in its own hidden layer, so that head A is a single linear layer.
        text_dim: size of the text features; 0 when no head reads text.
        heads: names of the heads.
        fusion: concat, gated, gated_concat or cross_attention.
        classes: C; the first P of them are predicted, and training sees the others too.
        predicted: P.
        architecture: sizes and kind of the heads.
        words: text encoder that computes text features from token numbers and is trained with the rest.
    """

    def __init__(
        self,
        *,
        tower: nn.Module,
        width: int,
        encoded: bool,
        text_dim: int,
        heads: tuple[str, ...],
        fusion: str,
        classes: int,
        predicted: int,
        architecture: Architecture,
        words: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.tower, self.words, self.predicted = tower, words, predicted
        self.attributes: nn.Module | None = None  # a head beside those of the classes
        self.text = Standardizer((text_dim,)) if text_dim else None
        self.fusion: nn.Module = Concatenation()
        inputs, hidden = {"A": width, "T": text_dim, "AT": width + text_dim}, architecture.hidden
        if fusion == "gated" and "AT" in heads:
            self.fusion, inputs["AT"] = GatedFusion(width, text_dim, hidden), hidden
        elif fusion == "gated_concat" and "AT" in heads:
            self.fusion = GatedConcatenation(width, text_dim)
        elif fusion == "cross_attention" and "AT" in heads:
            self.fusion, inputs["AT"] = CrossAttention(hidden, text_dim, hidden), 2 * hidden
        self.heads = nn.ModuleDict()
        for name in heads:
            if name == "A" and encoded:
                self.heads[name] = nn.Linear(width, classes)
            else:
                self.heads[name] = make_head(inputs[name], classes, architecture)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None,
        text: Tensor | None,
        hide: Tensor | None = None,
        tokens: tuple[Tensor, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Returns logits by head, (B, C) in training and (B, P) in evaluation; arguments as those of `encode`."""
        inputs = self.encode(x, mask, text, hide, tokens)
        logits = {name: head(inputs[name]) for name, head in self.heads.items()}
        # The softmax over the predicted classes is the distribution given that none of the others applies.
        return logits if self.training else {name: values[:, : self.predicted] for name, values in logits.items()}

    def encode(
        self,
        x: Tensor,
        mask: Tensor | None,
        text: Tensor | None,
        hide: Tensor | None = None,
        tokens: tuple[Tensor, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Returns the inputs (B, width) of the heads by head.

        An utterance without words (a row of zeros) gets the mean text of the training part.

        Args:
            x: (B, L, D) pooled layers or (B, T, D) frames.
            mask: (B, T) true where a frame is real, or None.
            text: (B, Dt) text features, (B, K) token numbers with `words`, or None when no head reads text.
            hide: (B, 2) true where speech (column 0) or text (column 1) is hidden from the fusion.
            tokens: for cross-attention, (B, K, Dt) and the (B, K) mask of real tokens.
        """
        inputs = {}
        frames = None if tokens is None else self.tower.frames(x)  # (B, T, H), encoded once for head A and the fusion
        if "A" in self.heads or "AT" in self.heads:
            inputs["A"] = self.tower(x, mask) if frames is None else self.tower.pool(frames, mask)
        if self.text is not None:
            text = text if self.words is None else self.words(text)  # (B, Dt)
            # Standardized features have mean 0, so zeros after standardizing are the mean text.
            inputs["T"] = self.text(text) * (text.abs().sum(dim=1, keepdim=True) > 0)
        if frames is not None:
            frame_mask, (rows, token_mask) = mask, tokens
            if hide is not None:
                frame_mask, token_mask = frame_mask & ~hide[:, :1], token_mask & ~hide[:, 1:]
            inputs["AT"] = self.fusion(frames, frame_mask, rows, token_mask)
        elif "AT" in self.heads:
            speech, words = inputs["A"], inputs["T"]
            if hide is not None:
                speech, words = speech * ~hide[:, :1], words * ~hide[:, 1:]
            inputs["AT"] = self.fusion(speech, words)
        return inputs
