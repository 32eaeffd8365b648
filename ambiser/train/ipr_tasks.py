"""The three phases of IPR as tasks for the training loop: prototype learning, updating, contrastive fine-tuning."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from ambiser.config import Config
from ambiser.config.schema import Optimization
from ambiser.errors import DataError
from ambiser.io.console import log
from ambiser.labels.label_view import AMBIGUOUS, PRECISE
from ambiser.losses.contrastive import supervised_contrast
from ambiser.losses.divergence import soft_cross_entropy
from ambiser.models.encoder import IprNetwork
from ambiser.models.momentum import KeyQueue, follow
from ambiser.models.prototypes import (
    PrototypeMemory,
    align,
    ambiguous_labels,
    class_means,
    move_hard,
    move_soft,
    move_targets,
    prototype_cosines,
)
from ambiser.train.dev_scores import dev_scores, forward_ipr
from ambiser.train.encoders import feature_sizes, speech_front, speech_statistics
from ambiser.train.fold_data import Part, Shapes
from ambiser.train.sampling import paired_batches
from ambiser.train.views import draw_view, hide_layers
from ambiser.train.waveforms import Waveforms

FEW_PRECISE = 5
"""With fewer precise utterances than these, a class has a prototype that says little; a warning tells which."""


def build_network(config: Config, shapes: Shapes) -> IprNetwork:
    """Builds the network of IPR with fresh weights from the global generator."""
    front = speech_front(config)
    layers, dim = feature_sizes(front, shapes)
    return IprNetwork(layers=layers, dim=dim, classes=len(shapes.classes), model=config.model, front=front)


class IprTask:
    """What the phases share: data, network, prototypes, views and what is measured after an epoch.

    The majority label of an ambiguous utterance is withheld: `labels` holds -1 for it. Only `_agreement` sees it, and
    its result goes nowhere but into the curves.
    """

    def __init__(self, config: Config, optim: Optimization, shapes: Shapes, train: Part, dev: Part, fold: int) -> None:
        self.config, self.optim, self.train, self.dev = config, optim, train, dev
        self.classes = len(shapes.classes)
        self.precise = torch.nonzero((train.kind == PRECISE) & (train.hard >= 0)).flatten().cpu()
        self.ambiguous = torch.nonzero(train.kind == AMBIGUOUS).flatten().cpu()
        self.labels = torch.where(train.kind == PRECISE, train.hard, torch.full_like(train.hard, -1))
        self._check_counts(shapes.classes, fold)
        self.network = build_network(config, shapes)
        if config.model.standardize:
            encoder = self.network.encoder
            encoder.mix.standardizer.set(*speech_statistics(encoder.front, train))
        self.memory = PrototypeMemory(self.classes, config.model.projection, len(train))
        self.modules = nn.ModuleDict({"network": self.network, "memory": self.memory})

    def _check_counts(self, classes: Sequence[str], fold: int) -> None:
        """Says what the training part lacks before anything is trained."""
        found = torch.bincount(self.labels[self.precise].cpu(), minlength=self.classes)
        counts = dict(zip(classes, found.tolist(), strict=True))
        empty = [name for name, count in counts.items() if count == 0]
        if empty:
            raise DataError(
                f"fold {fold}: no precise training utterance for {', '.join(empty)}; "
                f"let more count as precise (labels.precise is {self.config.labels.precise})"
            )
        few = [f"{name} ({count})" for name, count in counts.items() if count < FEW_PRECISE]
        if few:
            log.warning(
                f"fold {fold}: few precise training utterances for {', '.join(few)}; their prototypes say little"
            )
        refined = self.config.ipr.ambiguous_share > 0 and {"update", "contrastive"} & set(self.config.stages)
        if refined and len(self.ambiguous) == 0:
            raise DataError(
                f"fold {fold}: no ambiguous training utterance; let fewer count as precise (labels.precise is "
                f"{self.config.labels.precise}), or set ipr.ambiguous_share=0"
            )

    def gather(self, index: Tensor) -> tuple[Tensor, Tensor | None]:
        """Gathers what both views of a batch are drawn from: standardized features and their mask.

        Where the encoder learns it is the index alone, because each view reads waveforms of its own.
        """
        if isinstance(self.train.speech, Waveforms):
            return index, None
        speech, mask, _ = self.train.inputs(index)
        return self.network.encoder.mix.standardize(speech), mask

    def encode_view(
        self, network: IprNetwork, gathered: tuple[Tensor, Tensor | None], generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Returns logits (B, C) and embeddings (B, P) of a view of the utterances, drawn with the generator.

        An encoder that learns sees a view of the waveforms; otherwise the view is one of the features.
        """
        given, mask = gathered
        if isinstance(self.train.speech, Waveforms):
            return network(self.train.speech.drawn(given, generator, views=True))
        encoder, settings = network.encoder, self.config.ipr
        if mask is None:
            given = hide_layers(given, settings.layer_mask, generator)
        view = draw_view(encoder.mix.sum_layers(given), mask, settings, generator)
        return network.above_encoder(encoder.above_mix(view, mask))

    def ambiguous_labels(self, embeddings: Tensor) -> Tensor:
        """Returns what the prototypes say of embeddings (B, P): their ambiguous labels (B, C), eq. 3."""
        return ambiguous_labels(embeddings, self.memory.prototypes, self.config.ipr.prototype_temperature)

    def guesses(self, embeddings: Tensor) -> dict[str, Tensor]:
        """Returns what else a phase says of embeddings (B, P), to be compared with the withheld reference."""
        return {}

    def after_step(self) -> None:
        """Nothing, unless a phase has a momentum encoder."""

    @torch.no_grad()
    def after_epoch(self) -> dict[str, object]:
        """Returns dev scores, cosines between the prototypes, and agreement on the ambiguous training utterances."""
        logits, embeddings = forward_ipr(self.network, self.dev)
        if self.config.ipr.predict_by == "prototypes":
            probs = ambiguous_labels(embeddings, self.memory.prototypes, self.config.ipr.prototype_temperature)
        else:
            probs = logits.softmax(dim=1)
        scores = dev_scores(probs, self.dev)
        return {**scores, "prototype_cosine": prototype_cosines(self.memory.prototypes), **self._agreement()}

    def _agreement(self) -> dict[str, float | None]:
        """Compares classifier and prototypes with the withheld reference (IPR, figure 3)."""
        known = self.ambiguous[(self.train.hard[self.ambiguous] >= 0).cpu()]
        if len(known) == 0:
            return {"agreement_classifier": None, "agreement_prototypes": None}
        logits, embeddings = forward_ipr(self.network, self.train, known)
        reference = self.train.hard[known]
        said = {"classifier": logits, "prototypes": self.ambiguous_labels(embeddings)}
        return {
            f"agreement_{name}": (scores.argmax(dim=1) == reference).float().mean().item()
            for name, scores in (said | self.guesses(embeddings)).items()
        }


class LearnTask(IprTask):
    """Phase 1: the encoder learns from precise utterances, and prototypes are the means of their embeddings (eq. 2).

    Beside the cross-entropy of the classifier, two views of the batch are contrasted by label, because nothing else
    would train the projection before phase 3 (decided here; `ipr.contrastive_weight: 0` leaves it out).
    """

    def steps(self) -> int:
        """All precise utterances once an epoch."""
        return -(-len(self.precise) // self.optim.batch)

    def batches(self, epoch: int, generator: torch.Generator) -> Iterator[Tensor]:
        """Yields indices of precise utterances."""
        pairs = paired_batches(
            self.precise,
            self.labels[self.precise].cpu(),
            self.ambiguous,
            batch=self.optim.batch,
            share=0.0,
            balanced=self.config.ipr.class_balanced,
            steps=self.steps(),
            generator=generator,
        )
        return (precise for precise, _ in pairs)

    def loss(self, batch: Tensor, epoch: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """Computes cross-entropy plus λ times the contrast between two views."""
        labels = self.labels[batch]
        gathered = self.gather(batch)
        logits, first = self.encode_view(self.network, gathered, generator)
        loss = cross_entropy(logits, labels)
        weight = self.config.ipr.contrastive_weight
        if weight > 0:
            _, second = self.encode_view(self.network, gathered, generator)
            contrast = supervised_contrast(first, second, labels, self.config.ipr.temperature)
            loss = loss + weight * contrast
        return loss, {}

    @torch.no_grad()
    def after_epoch(self) -> dict[str, object]:
        """Sets the prototypes to the class means of the precise utterances, then measures."""
        _, embeddings = forward_ipr(self.network, self.train, self.precise)
        self.memory.prototypes.copy_(class_means(embeddings, self.labels[self.precise], self.classes))
        return super().after_epoch()


class RefineTask(IprTask):
    """Phases 2 and 3: ambiguous utterances move the prototypes and learn from them; phase 3 adds the contrast (eq. 6).

    In a step, keys of the ambiguous utterances get an ambiguous label from the prototypes (eq. 3) and a pseudo label
    (eq. 4), running targets move towards what the prototypes see, and after the losses the keys move the prototypes
    (eq. 5) and enter the queue.
    """

    def __init__(
        self,
        config: Config,
        optim: Optimization,
        shapes: Shapes,
        train: Part,
        dev: Part,
        fold: int,
        *,
        contrast: bool,
        epochs_before: int,
        epochs_in_all: int,
    ) -> None:
        super().__init__(config, optim, shapes, train, dev, fold)
        self.wanted = torch.bincount(self.labels[self.precise], minlength=self.classes) / len(self.precise)
        if config.ipr.alignment == "uniform":
            self.wanted = torch.full_like(self.wanted, 1 / self.classes)
        self.contrast = contrast
        self.epochs_before, self.epochs_in_all = epochs_before, epochs_in_all
        self.key = None
        if config.ipr.key_encoder == "momentum":
            self.key = build_network(config, shapes).requires_grad_(False)
            self.modules["key"] = self.key
        self.queue = KeyQueue(config.ipr.queue if contrast else 0, config.model.projection)
        self.modules["queue"] = self.queue

    @torch.no_grad()
    def start_from(self, state: dict[str, Tensor], stage: str) -> None:
        """Takes over what the stage before left: everything after phase 2; after phase 1 keys and targets start here.

        The first running target of an ambiguous utterance is its ambiguous label before any alignment, which is softer
        (decided here).
        """
        kept = {name: tensor for name, tensor in state.items() if not name.startswith("queue.")}
        self.modules.load_state_dict(kept, strict=False)
        if self.key is not None and stage == "prototypes":
            self.key.load_state_dict(self.network.state_dict())
        if stage == "prototypes" and len(self.ambiguous):
            self.modules.eval()
            _, embeddings = forward_ipr(self.network, self.train, self.ambiguous)
            self.memory.targets[self.ambiguous] = self.ambiguous_labels(embeddings)

    def aligned_labels(self, embeddings: Tensor) -> Tensor:
        """Returns ambiguous labels (B, C), scaled to the wanted shares unless `ipr.alignment` is none."""
        labels = self.ambiguous_labels(embeddings)
        if self.config.ipr.alignment == "none":
            return labels
        return align(labels, self.wanted.to(labels.device), self.memory.shares)

    def guesses(self, embeddings: Tensor) -> dict[str, Tensor]:
        """Returns the aligned labels, which the running targets follow."""
        return {} if self.config.ipr.alignment == "none" else {"aligned": self.aligned_labels(embeddings)}

    def steps(self) -> int:
        """As many as all utterances of both kinds fill."""
        total = len(self.precise) + (len(self.ambiguous) if self.config.ipr.ambiguous_share > 0 else 0)
        return -(-total // self.optim.batch)

    def batches(self, epoch: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields pairs of indices: precise utterances, ambiguous utterances."""
        return paired_batches(
            self.precise,
            self.labels[self.precise].cpu(),
            self.ambiguous,
            batch=self.optim.batch,
            share=self.config.ipr.ambiguous_share,
            balanced=self.config.ipr.class_balanced,
            steps=self.steps(),
            generator=generator,
        )

    def target_momentum(self, epoch: int) -> float:
        """Returns φ of an epoch: linear from the first to the last epoch of phases 2 and 3 together."""
        first, last = self.config.ipr.target_momentum
        position = (self.epochs_before + epoch - 1) / max(1, self.epochs_in_all - 1)
        return first + (last - first) * position

    def loss(
        self, batch: tuple[Tensor, Tensor], epoch: int, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """Computes L_cls + λ L_cont (eq. 6) and moves targets, prototypes and queue."""
        precise, ambiguous = batch
        gathered = self.gather(torch.cat([precise, ambiguous]))
        logits, queries = self.encode_view(self.network, gathered, generator)
        key_logits, keys = self._keys(gathered, generator)
        labels, soft = self._assign(len(precise), self.labels[precise], key_logits, keys)
        targets = one_hot(labels, self.classes).to(logits.dtype)
        targets[len(precise) :] = self._move_targets(ambiguous, queries.detach()[len(precise) :], epoch)
        loss = soft_cross_entropy(targets, logits.log_softmax(dim=1)).mean()
        parts = {"classification": loss.item()}
        if self.contrast:
            contrast = supervised_contrast(queries, keys, labels, self.config.ipr.temperature, *self.queue.filled())
            loss = loss + self.config.ipr.contrastive_weight * contrast
            parts["contrast"] = contrast.item()
        self._move_prototypes(len(precise), keys, labels, soft)
        self._move_shares(keys[len(precise) :])
        self.queue.push(keys, labels)
        return loss, parts

    def after_step(self) -> None:
        """Lets the momentum encoder follow."""
        if self.key is not None:
            follow(self.key, self.network, self.config.ipr.key_momentum)

    @torch.no_grad()
    def _keys(self, gathered: tuple[Tensor, Tensor | None], generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Encodes a second view without dropout (decided here)."""
        encoder = self.network if self.key is None else self.key
        if encoder.training:  # once an epoch with a momentum encoder; setting it takes as long as a product
            encoder.eval()
        encoded = self.encode_view(encoder, gathered, generator)
        if self.key is None:
            self.network.train()
        return encoded

    @torch.no_grad()
    def _assign(self, precise: int, known: Tensor, key_logits: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Returns class (B,) and ambiguous label (B, C) of the batch; precise utterances keep their own label."""
        soft = self.aligned_labels(keys)
        pseudo = (soft if self.config.ipr.assign_by == "prototypes" else key_logits).argmax(dim=1)
        soft[:precise] = one_hot(known, self.classes).to(soft.dtype)
        return torch.cat([known, pseudo[precise:]]), soft

    @torch.no_grad()
    def _move_targets(self, ambiguous: Tensor, queries: Tensor, epoch: int) -> Tensor:
        seen = self.aligned_labels(queries).argmax(dim=1)
        moved = move_targets(self.memory.targets[ambiguous], seen, self.target_momentum(epoch))
        self.memory.targets[ambiguous] = moved
        return moved

    @torch.no_grad()
    def _move_prototypes(self, precise: int, keys: Tensor, labels: Tensor, soft: Tensor) -> None:
        settings = self.config.ipr
        first = 0 if settings.prototypes_from == "all" else precise
        if settings.update == "hard":
            moved = move_hard(self.memory.prototypes, keys[first:], labels[first:], settings.prototype_momentum)
        else:
            moved = move_soft(self.memory.prototypes, keys[first:], soft[first:], settings.prototype_momentum)
        self.memory.prototypes.copy_(moved)

    @torch.no_grad()
    def _move_shares(self, keys: Tensor) -> None:
        if len(keys):
            self.memory.shares.lerp_(self.ambiguous_labels(keys).mean(dim=0), 1 - self.config.ipr.alignment_momentum)
