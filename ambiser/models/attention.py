"""Fuses speech frames and text tokens by cross-attention in both directions."""

import torch
from torch import Tensor, nn

from ambiser.models.encoder import MeanPooling, Standardizer


class CrossAttention(nn.Module):
    """One attention block per direction: frames attend to tokens, tokens to frames; both are averaged over time.

    A projected frame s becomes norm(s + W Σ_k a_k v_k), where a is the softmax of the scaled products of its query with
    the keys of all real tokens, and likewise for tokens. A missing or hidden modality adds nothing to the other one and
    has zeros in its half of the output.

    Args:
        speech: width of a frame.
        text: width of a token.
        hidden: H, the width of the block.
    """

    def __init__(self, speech: int, text: int, hidden: int) -> None:
        super().__init__()
        self.standardizer = Standardizer((text,))
        self.speech, self.text = nn.Linear(speech, hidden), nn.Linear(text, hidden)
        self.of_speech, self.of_text = _AttentionBlock(hidden), _AttentionBlock(hidden)
        self.pooling = MeanPooling()

    def forward(self, frames: Tensor, frame_mask: Tensor, tokens: Tensor, token_mask: Tensor) -> Tensor:
        """Fuses a batch.

        Args:
            frames: (B, T, width).
            frame_mask: (B, T) true where a frame is real and not hidden.
            tokens: (B, K, Dt).
            token_mask: (B, K) true where a token is real and not hidden.

        Returns:
            (B, 2H), speech first.
        """
        speech = self.speech(frames)  # (B, T, H)
        text = self.text(self.standardizer(tokens))  # (B, K, H)
        halves = (
            (self.of_speech(speech, text, token_mask), frame_mask),
            (self.of_text(text, speech, frame_mask), token_mask),
        )
        return torch.cat([self._average(values, mask) for values, mask in halves], dim=1)

    def _average(self, values: Tensor, mask: Tensor) -> Tensor:
        """Averages (B, N, H) over the real positions to (B, H); zeros where an utterance has none."""
        present = mask.any(dim=1)[:, None]  # (B, 1)
        # Without a real position the mean would be 0 / 0; average everything there and multiply by 0 afterwards.
        return self.pooling(values, mask | ~present) * present


class _AttentionBlock(nn.Module):
    """Lets one sequence attend to another: residual attention with a single head, then layer normalization."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(hidden, hidden, bias=False) for _ in range(3))
        self.output = nn.Linear(hidden, hidden, bias=False)
        self.norm = nn.LayerNorm(hidden)

    def forward(self, x: Tensor, other: Tensor, mask: Tensor) -> Tensor:
        """Maps x (B, N, H), attending to other (B, M, H) under its (B, M) mask, to (B, N, H)."""
        scores = self.query(x) @ self.key(other).transpose(1, 2) / x.shape[2] ** 0.5  # (B, N, M)
        lowest = torch.finfo(scores.dtype).min  # not -inf: a softmax over -inf alone is NaN
        # Masked once more after the softmax, which is uniform where all of `other` is masked.
        weight = scores.masked_fill(~mask[:, None], lowest).softmax(dim=2) * mask[:, None]  # (B, N, M)
        return self.norm(x + self.output(weight @ self.value(other)))  # (B, N, H)
