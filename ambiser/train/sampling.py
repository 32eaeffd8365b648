"""Draws the utterances of each batch."""

from collections.abc import Iterator

import torch
from torch import Tensor


def cycle(items: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Draws `count` items in shuffled rounds, so that no item repeats before all were drawn."""
    rounds = -(-count // len(items))
    return torch.cat([items[torch.randperm(len(items), generator=generator)] for _ in range(rounds)])[:count]


def cycle_balanced(items: Tensor, labels: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Draws `count` items with equal class counts (to within one), in mixed order."""
    present = labels.unique().tolist()
    share = -(-count // len(present))
    columns = [cycle(items[labels == label], share, generator) for label in present]
    rows = torch.stack(columns, dim=1)  # (share, C): each row holds one item per class
    order = torch.rand(rows.shape, generator=generator).argsort(dim=1)
    return rows.gather(1, order).flatten()[:count]  # cutting the last row keeps the counts within one


def paired_batches(
    precise: Tensor,
    labels: Tensor,
    ambiguous: Tensor,
    *,
    batch: int,
    share: float,
    balanced: bool,
    steps: int,
    generator: torch.Generator,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields `steps` batches of precise and ambiguous utterances.

    Args:
        precise: (P,) indices of precise utterances.
        labels: (P,) their classes.
        ambiguous: (A,) indices of ambiguous utterances; may be empty when share is 0.
        batch: utterances per step.
        share: share of ambiguous utterances in a batch; both kinds get at least one slot when share > 0.
        balanced: draw precise utterances with equal class counts.
        steps: number of batches.
        generator: source of randomness.
    """
    slots = min(batch - 1, max(1, round(batch * share))) if share > 0 else 0
    wanted = steps * (batch - slots)
    first = cycle_balanced(precise, labels, wanted, generator) if balanced else cycle(precise, wanted, generator)
    second = cycle(ambiguous, steps * slots, generator) if slots else ambiguous[:0]
    for step in range(steps):
        yield first[step * (batch - slots) : (step + 1) * (batch - slots)], second[step * slots : (step + 1) * slots]


def curriculum_share(epoch: int, epochs: int, *, start: float, end: float) -> float:
    """Returns the share of utterances in an epoch (1..epochs): linear from `start` to 1 at `end` of the epochs."""
    done = (epoch - 1) / (end * epochs) if end > 0 else 1.0
    return min(1.0, start + (1 - start) * done)


def shuffled_batches(items: Tensor, batch: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Yields every item once, in shuffled batches; the last one may be smaller."""
    yield from items[torch.randperm(len(items), generator=generator)].split(batch)
