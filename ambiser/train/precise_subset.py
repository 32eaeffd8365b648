"""Chooses which precise training utterances IPR keeps, to learn how little precise data is needed."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ambiser.io.files import digest


def keep_precise(utts: Sequence[str], hard: Tensor, precise: Tensor, share: float) -> Tensor:
    """Keeps a share of the precise utterances of each class, rounded up.

    The choice depends on the names alone: every seed trains on the same utterances, and a smaller share on a part of
    those of a larger one.

    Args:
        utts: N names.
        hard: (N,) majority class of each.
        precise: (P,) ascending indices of precise utterances.
        share: in (0, 1].

    Returns:
        Ascending indices, at least one per class that has a precise utterance.
    """
    if share == 1:
        return precise
    kept = []
    for label in hard[precise.to(hard.device)].unique().tolist():
        members = [i for i in precise.tolist() if int(hard[i]) == label]
        members.sort(key=lambda i: digest("precise_kept", utts[i]))
        # The subtraction keeps 0.1 * 30, which is 3.0000000000000004, from becoming 4.
        kept += members[: max(1, math.ceil(share * len(members) - 1e-9))]
    return torch.tensor(sorted(kept), dtype=torch.long)
