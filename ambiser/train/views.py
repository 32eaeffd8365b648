"""Views for contrast in feature space: masked features, layers and time, and noise; dropout adds to it."""

import torch
from torch import Tensor

from ambiser.config.schema import Ipr


def draw_view(speech: Tensor, mask: Tensor | None, settings: Ipr, generator: torch.Generator) -> Tensor:
    """Replaces a random share of the features, layers or frames by their mean over the batch, and adds noise.

    Args:
        speech: (B, L, D) pooled layers, or (B, T, D) frames.
        mask: (B, T) true where a frame is real; None for pooled features, where time cannot be masked.
        settings: feature_mask, a share of the D features drawn for each utterance; layer_mask, a share of the L
            layers (pooled features only; one layer always stays); time_mask, a share of the frames in one span
            (frames only); noise, in deviations of each feature over the batch.
        generator: source of randomness (CPU).

    Returns:
        A new tensor of the same shape.
    """
    mean, deviation = _statistics(speech, mask)
    hidden = _draw((len(speech), 1, speech.shape[2]), settings.feature_mask, generator)
    if mask is None:
        hidden = hidden | _draw_layers(speech.shape[:2], settings.layer_mask, generator)
    else:
        hidden = hidden | _draw_spans(mask, settings.time_mask, generator)
    view = torch.where(hidden.to(speech.device), mean, speech)
    if settings.noise > 0:
        drawn = torch.randn(speech.shape, generator=generator).to(speech.device)
        view = view + settings.noise * deviation * drawn
    return view


def _statistics(speech: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Returns mean and deviation over the batch: (1, L, D) for pooled features, (D,) over real frames."""
    if mask is None:
        return speech.mean(dim=0, keepdim=True), speech.std(dim=0, keepdim=True, unbiased=False)
    weight = mask[..., None].to(speech.dtype)
    mean = (speech * weight).sum(dim=(0, 1)) / weight.sum()
    variance = ((speech - mean) ** 2 * weight).sum(dim=(0, 1)) / weight.sum()
    return mean, variance.sqrt()


def _draw(shape: tuple[int, ...], share: float, generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator) < share


def _draw_layers(shape: tuple[int, int], share: float, generator: torch.Generator) -> Tensor:
    """Draws hidden layers, (B, L, 1); where all were drawn, one of them stays."""
    if share == 0:
        return torch.zeros(*shape, 1, dtype=torch.bool)
    draws = torch.rand(shape, generator=generator)
    hidden = (draws < share) & (draws < draws.max(dim=1, keepdim=True).values)
    return hidden[..., None]


def _draw_spans(mask: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Draws one span of real frames an utterance, (B, T, 1)."""
    lengths = mask.sum(dim=1).cpu()
    spans = (lengths * share).long()
    starts = (torch.rand(len(mask), generator=generator) * (lengths - spans + 1)).long()
    time = torch.arange(mask.shape[1])[None, :]
    return ((time >= starts[:, None]) & (time < (starts + spans)[:, None]))[..., None]
