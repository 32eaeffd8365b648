"""Views for contrast in feature space: masked features, layers and time, and noise; dropout adds to it."""

import torch
from torch import Tensor

from ambiser.config.schema import Ipr


def hide_layers(speech: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Replaces a random share of every utterance's layers by their mean over the batch; one layer always stays.

    Args:
        speech: (B, L, D) pooled layers.
        share: in [0, 1).
        generator: source of randomness (CPU).

    Returns:
        A tensor of the same shape; with share 0 or a single layer, the one that was given.
    """
    if share == 0 or speech.shape[1] == 1:
        return speech
    draws = torch.rand(speech.shape[:2], generator=generator)
    hidden = (draws < share) & (draws < draws.max(dim=1, keepdim=True).values)
    return torch.where(hidden[..., None].to(speech.device), _mean(speech, None), speech)


def draw_view(x: Tensor, mask: Tensor | None, settings: Ipr, generator: torch.Generator) -> Tensor:
    """Replaces a random share of the features or frames by their mean over the batch, and adds noise.

    It comes after the layers were mixed. That is the same as hiding a feature in all of them, at a fraction of the
    work.

    Args:
        x: (B, D) or (B, 1, D) mixed layers, or (B, T, D) frames.
        mask: (B, T) true where a frame is real; None for pooled features, where time cannot be masked.
        settings: feature_mask, a share of the D features drawn for each utterance; time_mask, a share of the frames
            in one span (frames only); noise, in deviations of each feature over the batch.
        generator: source of randomness (CPU).

    Returns:
        A new tensor of the same shape.
    """
    mean = _mean(x, mask)
    hidden = torch.rand(len(x), *(1 for _ in x.shape[2:]), x.shape[-1], generator=generator) < settings.feature_mask
    if mask is not None:
        hidden = hidden | _draw_spans(mask, settings.time_mask, generator)
    view = torch.where(hidden.to(x.device), mean, x)
    if settings.noise > 0:
        drawn = torch.randn(x.shape, generator=generator).to(x.device)
        # A feature that is the same in the whole batch has deviation 0, where a root has no gradient.
        view = view + settings.noise * _mean((x - mean) ** 2, mask).detach().sqrt() * drawn
    return view


def _mean(x: Tensor, mask: Tensor | None) -> Tensor:
    """Returns the mean over the batch: (1, ...) for pooled features, (D,) over real frames."""
    if mask is None:
        return x.mean(dim=0, keepdim=True)
    weight = mask[..., None].to(x.dtype)
    return (x * weight).sum(dim=(0, 1)) / weight.sum()


def _draw_spans(mask: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Draws one span of real frames an utterance, (B, T, 1)."""
    lengths = mask.sum(dim=1).cpu()
    spans = (lengths * share).long()
    starts = (torch.rand(len(mask), generator=generator) * (lengths - spans + 1)).long()
    time = torch.arange(mask.shape[1])[None, :]
    return ((time >= starts[:, None]) & (time < (starts + spans)[:, None]))[..., None]
