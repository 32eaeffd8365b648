"""One training by several processes."""

from collections.abc import Sequence

from torch import Tensor, nn


class Divided(nn.Module):
    """An encoder whose batches are divided between the processes of a training."""

    def __init__(self, front: nn.Module) -> None:
        super().__init__()
        self.front = front

    @property
    def layers(self) -> int:
        """L of the encoder's features."""
        return self.front.layers

    @property
    def dim(self) -> int:
        """D of the encoder's features."""
        return self.front.dim

    def forward(self, batch: Sequence | Tensor) -> object:
        """Encodes a batch."""
        return self.front(batch)
