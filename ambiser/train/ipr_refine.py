"""Updates prototypes with ambiguous utterances and fine-tunes by contrast: phases 2 and 3 of IPR."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ambiser.config.ipr_keys import Ipr
from ambiser.losses.contrastive import supervised_contrast
from ambiser.losses.divergence import soft_cross_entropy
from ambiser.models.encoder import IprNetwork
from ambiser.models.momentum import KeyQueue, follow
from ambiser.models.prototypes import align, move_hard, move_soft, move_targets
from ambiser.train.dev_scores import forward_ipr
from ambiser.train.ipr_checkpoint import IprCheckpoint, join_modules
from ambiser.train.ipr_task import IprTask
from ambiser.train.part import Part
from ambiser.train.sampling import paired_batches


@dataclass(frozen=True)
class Phase:
    """Which of the two phases it is.

    Attributes:
        contrast: add the supervised contrast (phase 3).
        epochs_before: epochs of phase 2 that precede this phase.
        epochs_total: epochs of phases 2 and 3 together, over which the momentum of the running targets changes.
    """

    contrast: bool
    epochs_before: int
    epochs_total: int


class RefineTask(IprTask):
    """Trains on all utterances; ambiguous ones move the prototypes; phase 3 adds the contrast (eq. 6).

    In a step, keys of the ambiguous utterances get an ambiguous label from the prototypes (eq. 3) and a pseudo label
    (eq. 4), and running targets move towards the nearest prototypes. After the losses the keys move the prototypes
    (eq. 5) and enter the queue.

    Args:
        network, train, dev, settings, batch: as in `IprTask`.
        phase: phase 2 or 3.
        key: momentum encoder, a second network of the same form; None: the network itself encodes the keys.
    """

    def __init__(
        self,
        network: IprNetwork,
        train: Part,
        dev: Part,
        settings: Ipr,
        *,
        batch: int,
        phase: Phase,
        key: IprNetwork | None,
    ) -> None:
        super().__init__(network, train, dev, settings, batch=batch)
        self.phase = phase
        self.ambiguous_weight = settings.ambiguous_weight
        self.wanted = torch.bincount(self.labels[self.precise], minlength=self.classes) / len(self.precise)  # (C,)
        if settings.alignment == "uniform":
            self.wanted = torch.full_like(self.wanted, 1 / self.classes)
        self.key = None if key is None else key.requires_grad_(False)
        self.queue = KeyQueue(settings.queue if phase.contrast else 0, network.embedding_size)
        self.modules = join_modules(network, self.memory, self.key, self.queue)

    @torch.no_grad()
    def start_from(self, checkpoint: IprCheckpoint, *, learned: bool) -> None:
        """Loads the checkpoint of the stage before.

        Args:
            checkpoint: the tensors.
            learned: the stage before was phase 1, so the momentum encoder starts as a copy of the network, and each
                running target as the ambiguous label before alignment, which is softer (decided here).
        """
        checkpoint.load_into(self.modules)
        if not learned:
            return
        if self.key is not None:
            self.key.load_state_dict(self.network.state_dict())
        if len(self.ambiguous):
            self.modules.eval()
            _, embeddings = forward_ipr(self.network, self.train, self.ambiguous)
            self.memory.targets[self.ambiguous] = self.ambiguous_labels(embeddings)

    def aligned_labels(self, embeddings: Tensor) -> Tensor:
        """Returns ambiguous labels (B, C), scaled to the wanted shares unless `ipr.alignment` is none."""
        labels = self.ambiguous_labels(embeddings)
        if self.settings.alignment == "none":
            return labels
        return align(labels, self.wanted.to(labels.device), self.memory.shares)

    def guesses(self, embeddings: Tensor) -> dict[str, Tensor]:
        """Returns the aligned labels (B, C), which the running targets follow."""
        return {} if self.settings.alignment == "none" else {"aligned": self.aligned_labels(embeddings)}

    def steps(self) -> int:
        """Returns the steps per epoch: enough for all utterances of both kinds."""
        total = len(self.precise) + (len(self.ambiguous) if self.settings.ambiguous_share > 0 else 0)
        return -(-total // self.batch)

    def batches(self, epoch: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields pairs of indices: precise utterances (B_p,), ambiguous utterances (B_a,)."""
        return paired_batches(
            self.precise,
            self.labels[self.precise].cpu(),
            self.ambiguous,
            batch=self.batch,
            share=self.settings.ambiguous_share,
            balanced=self.settings.class_balanced,
            steps=self.steps(),
            generator=generator,
        )

    def target_momentum(self, epoch: int) -> float:
        """Returns φ in an epoch: linear from the first to the last epoch of phases 2 and 3 together."""
        first, last = self.settings.target_momentum
        position = (self.phase.epochs_before + epoch - 1) / max(1, self.phase.epochs_total - 1)
        return first + (last - first) * position

    def loss(
        self, batch: tuple[Tensor, Tensor], epoch: int, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """Computes L_cls + λ L_cont (eq. 6) and moves targets, prototypes and queue."""
        precise, ambiguous = batch
        gathered = self.gather(torch.cat([precise, ambiguous]))  # precise first, here and in every tensor below
        logits, queries = self.encode_view(self.network, gathered, generator)  # (B, C), (B, P)
        key_logits, keys = self._encode_keys(gathered, generator)  # (B, C), (B, P)
        labels, soft = self._assign(len(precise), self.labels[precise], key_logits, keys)  # (B,), (B, C)
        target = one_hot(labels, self.classes).to(logits.dtype)  # (B, C)
        target[len(precise) :] = self._move_targets(ambiguous, queries.detach()[len(precise) :], epoch)
        loss = self.classification_loss(logits, target, len(precise))
        parts = {"classification": loss.item()}
        if self.phase.contrast:
            contrast = supervised_contrast(queries, keys, labels, self.settings.temperature, *self.queue.filled())
            loss = loss + self.settings.contrastive_weight * contrast
            parts["contrast"] = contrast.item()
        # After the losses: the labels above come from the prototypes, shares and queue of the step before.
        self._move_prototypes(len(precise), keys, labels, soft)
        self._move_shares(keys[len(precise) :])
        self.queue.push(keys, labels)
        return loss, parts

    def classification_loss(self, logits: Tensor, target: Tensor, precise: int) -> Tensor:
        """Returns the mean loss of a batch, precise utterances first; ambiguous ones have `ipr.ambiguous_weight`."""
        losses = self.classification_losses(logits, target, precise)  # (B,)
        return torch.cat([losses[:precise], self.ambiguous_weight * losses[precise:]]).mean()

    def classification_losses(self, logits: Tensor, target: Tensor, precise: int) -> Tensor:
        """Returns the cross-entropy (B,) of logits (B, C) with targets (B, C)."""
        return soft_cross_entropy(target, logits.log_softmax(dim=1))

    def after_step(self) -> None:
        """Updates the momentum encoder."""
        if self.key is not None:
            follow(self.key, self.network, self.settings.key_momentum)

    @torch.no_grad()
    def _encode_keys(self, gathered: tuple[Tensor, Tensor | None], generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Encodes a second view without dropout (decided here): logits (B, C) and keys (B, P)."""
        encoder = self.network if self.key is None else self.key
        if encoder.training:  # once per epoch with a momentum encoder, because eval() takes as long as a product
            encoder.eval()
        encoded = self.encode_view(encoder, gathered, generator)
        if self.key is None:
            self.network.train()
        return encoded

    @torch.no_grad()
    def _assign(self, precise: int, known: Tensor, key_logits: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Returns class (B,) and ambiguous label (B, C) of the batch; precise utterances keep their own label."""
        soft = self.aligned_labels(keys)  # (B, C)
        pseudo = (soft if self.settings.assign_by == "prototypes" else key_logits).argmax(dim=1)  # (B,)
        soft[:precise] = one_hot(known, self.classes).to(soft.dtype)
        return torch.cat([known, pseudo[precise:]]), soft

    @torch.no_grad()
    def _move_targets(self, ambiguous: Tensor, queries: Tensor, epoch: int) -> Tensor:
        """Moves and returns the running targets (B_a, C) of the ambiguous utterances with queries (B_a, P)."""
        nearest = self.aligned_labels(queries).argmax(dim=1)  # (B_a,)
        moved = move_targets(self.memory.targets[ambiguous], nearest, self.target_momentum(epoch))
        self.memory.targets[ambiguous] = moved
        return moved

    @torch.no_grad()
    def _move_prototypes(self, precise: int, keys: Tensor, labels: Tensor, soft: Tensor) -> None:
        first = 0 if self.settings.prototypes_from == "all" else precise
        momentum = self.settings.prototype_momentum
        if self.settings.update == "hard":
            moved = move_hard(self.memory.prototypes, keys[first:], labels[first:], momentum)
        else:
            moved = move_soft(self.memory.prototypes, keys[first:], soft[first:], momentum)
        self.memory.prototypes.copy_(moved)

    @torch.no_grad()
    def _move_shares(self, keys: Tensor) -> None:
        """Moves the running mean of the ambiguous labels, before alignment, by keys (B_a, P)."""
        if len(keys):
            self.memory.shares.lerp_(self.ambiguous_labels(keys).mean(dim=0), 1 - self.settings.alignment_momentum)
