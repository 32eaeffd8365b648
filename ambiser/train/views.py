"""Makes views for contrast in feature space: masked features, layers and frames, and noise, besides dropout."""

import torch
from torch import Tensor


def hide_layers(speech: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Replaces a random share of each utterance's layers by their mean over the batch; one layer always stays.

    Args:
        speech: (B, L, D) pooled layers.
        share: in [0, 1).
        generator: source of randomness (CPU).

    Returns:
        (B, L, D), the argument itself with share 0 or a single layer.
    """
    if share == 0 or speech.shape[1] == 1:
        return speech
    draws = torch.rand(speech.shape[:2], generator=generator)  # (B, L)
    # The layer with the largest draw always stays.
    hidden = (draws < share) & (draws < draws.max(dim=1, keepdim=True).values)
    return torch.where(hidden[..., None].to(speech.device), _mean(speech, None), speech)


def draw_view(
    x: Tensor,
    mask: Tensor | None,
    generator: torch.Generator,
    *,
    feature_mask: float,
    time_mask: float,
    noise: float,
) -> Tensor:
    """Replaces a random share of the features or frames by their mean over the batch, and adds noise.

    It works on mixed layers, which equals masking a feature in all layers at a fraction of the cost.

    Args:
        x: (B, D) or (B, 1, D) mixed layers, or (B, T, D) frames.
        mask: (B, T) true where a frame is real; None for pooled features, where time cannot be masked.
        generator: source of randomness (CPU).
        feature_mask: share of the D features, drawn for each utterance.
        time_mask: share of the frames, in one span per utterance; frames only.
        noise: deviation of Gaussian noise, in deviations of each feature over the batch.

    Returns:
        A new tensor of the same shape.
    """
    mean = _mean(x, mask)
    # (B, D), (B, 1, D): one draw per feature holds for all frames of an utterance.
    hidden = torch.rand(len(x), *(1 for _ in x.shape[2:]), x.shape[-1], generator=generator) < feature_mask
    if mask is not None:
        hidden = hidden | _draw_spans(mask, time_mask, generator)
    view = torch.where(hidden.to(x.device), mean, x)
    if noise > 0:
        drawn = torch.randn(x.shape, generator=generator).to(x.device)
        # Detached: the gradient of the root is infinite where a feature is constant in the batch.
        view = view + noise * _mean((x - mean) ** 2, mask).detach().sqrt() * drawn
    return view


def _mean(x: Tensor, mask: Tensor | None) -> Tensor:
    """Returns the mean over the batch: (1, ...) for pooled features, (D,) over real frames."""
    if mask is None:
        return x.mean(dim=0, keepdim=True)
    weight = mask[..., None].to(x.dtype)  # (B, T, 1)
    return (x * weight).sum(dim=(0, 1)) / weight.sum()


def _draw_spans(mask: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Draws one span of real frames per utterance, (B, T, 1)."""
    lengths = mask.sum(dim=1).cpu()  # (B,)
    spans = (lengths * share).long()
    starts = (torch.rand(len(mask), generator=generator) * (lengths - spans + 1)).long()
    time = torch.arange(mask.shape[1])[None, :]  # (1, T)
    return ((time >= starts[:, None]) & (time < (starts + spans)[:, None]))[..., None]
