"""Defines the head of attributes: mean and spread of the raters' valence, arousal and dominance."""

from torch import Tensor, nn

from ambiser.models.encoder import Architecture, make_head


class AttributeHead(nn.Module):
    """Predicts mean and log deviation of each attribute, around those of the training part.

    Args:
        inputs: width of the student's input.
        attributes: their number.
        architecture: sizes and kind of the head.
    """

    def __init__(self, inputs: int, attributes: int, architecture: Architecture) -> None:
        super().__init__()
        self.attributes = attributes
        self.head = make_head(inputs, 2 * attributes, architecture)

    def start_at(self, mean: Tensor, log_spread: Tensor) -> None:
        """Lets the predictions start at these values, (attributes,) each."""
        bias = self.head[-1].bias.data
        bias[: self.attributes], bias[self.attributes :] = mean, log_spread

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Maps (B, inputs) to means and log deviations, (B, attributes) each."""
        both = self.head(x)
        return both[:, : self.attributes], both[:, self.attributes :]
