"""Fusion of speech frames and text tokens by attention in both directions."""

import torch
from torch import Tensor, nn

from ambiser.models.encoder import MeanPooling, Standardizer


class CrossAttention(nn.Module):
    """One block each way: frames look at the tokens, tokens at the frames, and both are averaged over time.

    A projected frame s becomes norm(s + W Σ_k a_k v_k), where a is the softmax of the scaled products of its query with
    the keys of all real tokens, and likewise for tokens. A modality that is missing, or hidden, adds nothing to the
    other one and has zeros in its half of the output.

    Args:
        speech: width of a frame.
        text: width of a token.
        hidden: H, the width of the block.
    """

    def __init__(self, speech: int, text: int, hidden: int) -> None:
        super().__init__()
        self.standardizer = Standardizer((text,))
        self.speech, self.text = nn.Linear(speech, hidden), nn.Linear(text, hidden)
        self.of_speech, self.of_text = _Look(hidden), _Look(hidden)
        self.pooling = MeanPooling()

    def forward(self, frames: Tensor, frame_mask: Tensor, tokens: Tensor, token_mask: Tensor) -> Tensor:
        """Fuses a batch.

        Args:
            frames: (B, T, width).
            frame_mask: (B, T) true where a frame is real and may be heard.
            tokens: (B, K, Dt).
            token_mask: (B, K) true where a token is real and may be read.

        Returns:
            (B, 2H), the half of the speech first.
        """
        heard, read = self.speech(frames), self.text(self.standardizer(tokens))
        halves = (
            (self.of_speech(heard, read, token_mask), frame_mask),
            (self.of_text(read, heard, frame_mask), token_mask),
        )
        return torch.cat([self._average(values, mask) for values, mask in halves], dim=1)

    def _average(self, values: Tensor, mask: Tensor) -> Tensor:
        there = mask.any(dim=1)[:, None]
        return self.pooling(values, mask | ~there) * there


class _Look(nn.Module):
    """What a sequence becomes when it attends to another one."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(hidden, hidden, bias=False) for _ in range(3))
        self.output = nn.Linear(hidden, hidden, bias=False)
        self.norm = nn.LayerNorm(hidden)

    def forward(self, x: Tensor, other: Tensor, mask: Tensor) -> Tensor:
        """Maps (B, N, H), with (B, M, H) to look at and the (B, M) mask of what is there, to (B, N, H)."""
        scores = self.query(x) @ self.key(other).transpose(1, 2) / x.shape[2] ** 0.5  # (B, N, M)
        lowest = torch.finfo(scores.dtype).min  # not -inf: where nothing is there, a softmax over -inf is NaN
        weight = scores.masked_fill(~mask[:, None], lowest).softmax(dim=2) * mask[:, None]
        return self.norm(x + self.output(weight @ self.value(other)))
