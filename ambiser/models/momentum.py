"""Implements momentum contrast: a queue of keys, and the update of the slow encoder that computes them."""

import torch
from torch import Tensor, nn


class KeyQueue(nn.Module):
    """A ring buffer of the latest keys and their labels; unfilled slots are never returned."""

    def __init__(self, size: int, projection: int) -> None:
        super().__init__()
        self.register_buffer("keys", torch.zeros(size, projection))
        self.register_buffer("labels", torch.full((size,), -1, dtype=torch.long))
        # Next slot and number of filled slots: in a buffer, so that a checkpoint holds them.
        self.register_buffer("state", torch.zeros(2, dtype=torch.long))

    def push(self, keys: Tensor, labels: Tensor) -> None:
        """Replaces the oldest entries by (B, P) keys with (B,) labels; the last keys win where B exceeds the slots."""
        size = len(self.keys)
        if size == 0:
            return
        keys, labels = keys[-size:], labels[-size:]
        start, filled = self.state.tolist()
        before_end = min(len(keys), size - start)  # the rest wraps around to the front
        after_end = len(keys) - before_end
        self.keys[start : start + before_end], self.keys[:after_end] = keys[:before_end], keys[before_end:]
        self.labels[start : start + before_end], self.labels[:after_end] = labels[:before_end], labels[before_end:]
        self.state[0], self.state[1] = (start + len(keys)) % size, min(filled + len(keys), size)

    def filled(self) -> tuple[Tensor, Tensor]:
        """Returns the keys (F, P) and labels (F,) of the filled slots."""
        count = int(self.state[1])
        return self.keys[:count], self.labels[:count]


@torch.no_grad()
def follow(slow: nn.Module, fast: nn.Module, momentum: float) -> None:
    """Moves the parameters of a momentum encoder: θ_k ← m θ_k + (1−m) θ, all in one fused update.

    Parameters that are frozen in the fast encoder stay unchanged in the slow one.

    Source: IPR, eq. 3 (a momentum encoder is inferred).
    """
    pairs = [pair for pair in zip(slow.parameters(), fast.parameters(), strict=True) if pair[1].requires_grad]
    torch._foreach_lerp_([key for key, _ in pairs], [query for _, query in pairs], 1 - momentum)
