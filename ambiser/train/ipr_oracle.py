"""Oracles of IPR: phases 2 and 3 with withheld references in place of one piece, to measure what that piece costs.

Their scores are no results; tables and pages say so.
"""

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ambiser.train.dev_scores import forward_ipr
from ambiser.train.ipr_refine import RefineTask


class OracleTask(RefineTask):
    """Replaces the piece that `ipr.oracle` names. Ambiguous utterances without a reference keep their pseudo label.

    - majority: pseudo labels and targets are the references.
    - votes: likewise, but the targets are the votes.
    - right_only: utterances with a wrong pseudo label are left out of the batch; the others as with majority.
    - prototypes: the prototypes move by the references.
    - shares: the ambiguous labels are aligned to the class shares of the references.
    """

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)
        self.drawn = self.ambiguous[:0]
        if self.settings.oracle == "shares":
            self.wanted = _shares(self.train.hard[self.ambiguous], self.classes, self.wanted)

    def loss(
        self, batch: tuple[Tensor, Tensor], epoch: int, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """Computes the loss of `RefineTask` with one piece replaced."""
        precise, self.drawn = batch
        if self.settings.oracle == "right_only":
            self.drawn = self._only_right(self.drawn)
        return super().loss((precise, self.drawn), epoch, generator)

    @torch.no_grad()
    def _only_right(self, ambiguous: Tensor) -> Tensor:
        """Returns the ambiguous utterances (B_a,) whose pseudo label is their reference."""
        was_training = self.network.training
        _, embeddings = forward_ipr(self.network, self.train, ambiguous)
        self.network.train(was_training)
        right = self.aligned_labels(embeddings).argmax(dim=1) == self.train.hard[ambiguous]
        return ambiguous[right.to(ambiguous.device)]

    def _assign(self, precise: int, known: Tensor, key_logits: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        labels, soft = super()._assign(precise, known, key_logits, keys)
        if self.settings.oracle in ("majority", "votes", "right_only"):
            labels, soft = self._by_reference(precise, labels, soft)
        return labels, soft

    def _move_targets(self, ambiguous: Tensor, queries: Tensor, epoch: int) -> Tensor:
        moved = super()._move_targets(ambiguous, queries, epoch)
        if self.settings.oracle == "votes":
            return self.train.soft[ambiguous]
        if self.settings.oracle in ("majority", "right_only"):
            reference = self.train.hard[ambiguous]
            return torch.where(reference[:, None] >= 0, one_hot(reference.clamp_min(0), self.classes), moved)
        return moved

    def _move_prototypes(self, precise: int, keys: Tensor, labels: Tensor, soft: Tensor) -> None:
        if self.settings.oracle == "prototypes":
            labels, soft = self._by_reference(precise, labels, soft)
        super()._move_prototypes(precise, keys, labels, soft)

    def _by_reference(self, precise: int, labels: Tensor, soft: Tensor) -> tuple[Tensor, Tensor]:
        """Returns labels (B,) and soft labels (B, C) with the references of the drawn ambiguous utterances."""
        reference = torch.cat([labels[:precise], self.train.hard[self.drawn]])  # (B,)
        known = reference >= 0
        one = one_hot(reference.clamp_min(0), self.classes).to(soft.dtype)  # (B, C)
        return torch.where(known, reference, labels), torch.where(known[:, None], one, soft)


def _shares(reference: Tensor, classes: int, otherwise: Tensor) -> Tensor:
    """Returns the class shares (C,) of the references (A,), or other ones where there is none."""
    known = reference[reference >= 0]
    return torch.bincount(known, minlength=classes) / len(known) if len(known) else otherwise
