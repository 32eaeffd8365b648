"""Learns prototypes from precise utterances: phase 1 of IPR, stage prototypes."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ambiser.losses.contrastive import supervised_contrast
from ambiser.models.prototypes import class_means
from ambiser.train.dev_scores import forward_ipr
from ambiser.train.ipr_task import IprTask
from ambiser.train.sampling import paired_batches


class LearnTask(IprTask):
    """Trains the encoder on precise utterances; prototypes are the mean embeddings of their classes (eq. 2).

    Besides the cross-entropy of the classifier, two views of the batch are contrasted by label, because nothing else
    would train the projection before phase 3 (decided here; `ipr.contrastive_weight: 0` leaves it out).
    """

    def steps(self) -> int:
        """Returns the steps per epoch, which covers all precise utterances once."""
        return -(-len(self.precise) // self.batch)

    def batches(self, epoch: int, generator: torch.Generator) -> Iterator[Tensor]:
        """Yields indices (B,) of precise utterances."""
        pairs = paired_batches(
            self.precise,
            self.labels[self.precise].cpu(),
            self.ambiguous,
            batch=self.batch,
            share=0.0,
            balanced=self.settings.class_balanced,
            steps=self.steps(),
            generator=generator,
        )
        return (precise for precise, _ in pairs)

    def loss(self, batch: Tensor, epoch: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """Computes cross-entropy plus λ times the contrast between two views."""
        labels = self.labels[batch]  # (B,)
        gathered = self.gather(batch)
        logits, first = self.encode_view(self.network, gathered, generator)  # (B, C), (B, P)
        loss = cross_entropy(logits, labels)
        weight = self.settings.contrastive_weight
        if weight > 0:
            _, second = self.encode_view(self.network, gathered, generator)  # (B, P)
            contrast = supervised_contrast(first, second, labels, self.settings.temperature)
            loss = loss + weight * contrast
        return loss, {}

    @torch.no_grad()
    def after_epoch(self) -> dict[str, object]:
        """Sets the prototypes to the class means of the precise utterances, then measures."""
        _, embeddings = forward_ipr(self.network, self.train, self.precise)
        self.memory.prototypes.copy_(class_means(embeddings, self.labels[self.precise], self.classes))
        return super().after_epoch()
