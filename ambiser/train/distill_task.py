"""Trains AmbER² and the baselines on its network: the task of stage distill."""

import functools
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from ambiser.config.target_keys import Targets
from ambiser.config.training_keys import Amber
from ambiser.labels.confusion import rater_confusion, smooth_by_confusion
from ambiser.labels.label_view import smooth_labels
from ambiser.losses.adjustment import adjust, log_shares
from ambiser.losses.balance import class_weights, utterance_weights
from ambiser.losses.divergence import entropy
from ambiser.losses.evidential import concentrations, misleading_evidence, vote_likelihood
from ambiser.losses.guidance import Objective, amber_loss, scheduled_weight
from ambiser.models.fusion import AmberNetwork
from ambiser.models.raters import RatedHead
from ambiser.train.dev_scores import dev_scores, forward_amber
from ambiser.train.fold_checks import learned_from
from ambiser.train.ipr_checkpoint import IprCheckpoint
from ambiser.train.part import Part
from ambiser.train.sampling import curriculum_share, cycle, shuffled_batches

_ANNEALING_EPOCHS = 10  # the weight of misleading evidence reaches its full value in this epoch


@torch.no_grad()
def start_from_ipr(network: AmberNetwork, checkpoint: IprCheckpoint, predict_by: str = "classifier") -> None:
    """Fills the speech side from a checkpoint of IPR; head A starts as IPR's classifier.

    Args:
        network: its tower is an `IprTower`.
        checkpoint: the last IPR stage.
        predict_by: value of `ipr.predict_by`. Where the tower has Gaussian prototypes with exponent b, head A starts as
            the geometric mean: (1 - b) times the classifier's logits plus b times the log-posteriors.
    """
    tower = network.tower
    tower.network.load_state_dict(checkpoint.network())
    tower.memory.prototypes.copy_(checkpoint.prototypes)
    share = 0.0  # of Gaussian prototypes in head A
    if tower.gaussian is not None:
        tower.gaussian.load_state_dict(checkpoint.gaussian().state_dict())
        share = 1.0 if predict_by == "gaussian" else tower.gaussian.share.item()
    if "A" in network.heads:
        head, classifier = network.heads["A"], tower.network.classifier
        head = head.last if isinstance(head, RatedHead) else head
        # Similarities to prototypes follow the hidden vector and start without weight.
        head.weight.zero_()  # (C, H), (C, H + C) or (C, H + 2 C)
        head.weight[:, : classifier.in_features].copy_((1 - share) * classifier.weight)
        head.bias.copy_((1 - share) * classifier.bias)
        if tower.gaussian is not None:
            classes = head.out_features
            head.weight[:, -classes:].copy_(share * torch.eye(classes))


class DistillTask:
    """Trains heads A, T and AT on votes and, for the student, on the other heads.

    Args:
        network: standardized; otherwise new or started from IPR.
        train: training utterances.
        dev: utterances that choose the epoch.
        settings: the section `amber`.
        batch: utterances per step.
        epochs: number of planned epochs, over which λ and β may change.
        smoothing: e of the label smoothing.
        targets: the section `targets`.
    """

    def __init__(
        self,
        network: AmberNetwork,
        train: Part,
        dev: Part,
        settings: Amber,
        *,
        batch: int,
        epochs: int,
        smoothing: float,
        targets: Targets,
    ) -> None:
        self.network, self.train, self.dev, self.settings = network, train, dev, settings
        self.batch, self.epochs, self.targets = batch, epochs, targets
        self.modules: nn.Module = network
        target, self.counts = train.soft, train.counts  # (N, C) each
        self.items = torch.nonzero(learned_from(train, settings.target, settings.utterances)).flatten().cpu()
        if settings.target == "majority":
            target = one_hot(train.hard.clamp_min(0), train.soft.shape[1]).float()
            self.counts = target * train.counts.sum(dim=1, keepdim=True)
        exact = target.double().cpu().numpy()  # in float64, so that rows sum to 1
        if targets.smoothing_toward == "confusion":
            confusion = rater_confusion(train.counts[self.items].double().cpu().numpy())
            smooth = smooth_by_confusion(exact, confusion, smoothing)
        else:
            smooth = smooth_labels(exact, smoothing)
        self.target = torch.from_numpy(smooth).float().to(train.soft.device)
        self.log_shares = log_shares(self.counts[self.items])  # (C,)
        self.importance = None
        if settings.class_weights == "effective_number":
            weights = utterance_weights(self.target, class_weights(self.counts[self.items]))  # (N,)
            self.importance = weights / weights[self.items].mean()
        self.has_text = train.has_text()

    def steps(self) -> int:
        """Returns the steps per epoch, which covers all utterances once."""
        return -(-len(self.items) // self.batch)

    def batches(self, epoch: int, generator: torch.Generator) -> Iterator[Tensor]:
        """Yields indices (B,) of training utterances; a curriculum draws from those of low vote entropy first."""
        targets, items = self.targets, self.items
        if targets.curriculum == "none":
            return shuffled_batches(items, self.batch, generator)
        share = curriculum_share(epoch, self.epochs, start=targets.curriculum_start, end=targets.curriculum_end)
        easy = self._by_entropy[: max(1, round(share * len(items)))]
        return iter(cycle(easy, len(items), generator).split(self.batch))

    @functools.cached_property
    def _by_entropy(self) -> Tensor:
        """The training utterances, those of low vote entropy first."""
        return self.items[entropy(self.train.soft[self.items].double()).argsort(stable=True).cpu()]

    def objective(self, epoch: int) -> Objective:
        """Returns the objective of AmbER² with λ and β of an epoch."""
        settings, epochs = self.settings, self.epochs
        return Objective(
            student=settings.student,
            divergence=settings.divergence,
            weights=settings.weights,
            temperature=settings.temperature,
            guidance=scheduled_weight(settings.guidance, settings.guidance_schedule, epoch, epochs),
            teacher=scheduled_weight(settings.teacher, settings.teacher_schedule, epoch, epochs),
            agreement_gate=settings.agreement_gate,
            detach_teachers=settings.detach_teachers,
        )

    def loss(self, batch: Tensor, epoch: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """Computes the objective of AmbER², or of the Dirichlet, on a batch."""
        logits = self.network(*self._inputs(batch, generator))  # (B, C) by head
        if self.settings.evidential:
            student = logits[self.settings.student]
            return self._evidential_loss(student, self.counts[batch], self._importance(batch), epoch)
        return self._amber_loss({name: values.log_softmax(dim=1) for name, values in logits.items()}, batch, epoch)

    def _inputs(self, batch: Tensor, generator: torch.Generator) -> tuple:
        """Returns the arguments of the network, with what modality dropout hides."""
        hide, tokens = self._hide(len(batch), generator), self.train.padded_tokens(batch)
        return (*self.train.inputs(batch, generator), hide, tokens)

    def _amber_loss(self, heads: dict[str, Tensor], batch: Tensor, epoch: int) -> tuple[Tensor, dict[str, float]]:
        """Returns the objective of AmbER² for log-probabilities (B, C) by head, and its parts."""
        has_text = None if self.has_text is None else self.has_text[batch]
        importance, objective = self._importance(batch), self.objective(epoch)
        if strength := self.targets.logit_adjustment:
            heads = {name: adjust(values, self.log_shares, strength) for name, values in heads.items()}
        loss, parts = amber_loss(self.target[batch], heads, objective, has_text=has_text, importance=importance)
        return loss, {name: part.item() for name, part in parts.items()}

    def _importance(self, batch: Tensor) -> Tensor | None:
        """Returns the weights (B,) of utterances, or None where all weigh the same."""
        return None if self.importance is None else self.importance[batch]

    def _evidential_loss(
        self, logits: Tensor, counts: Tensor, importance: Tensor | None, epoch: int
    ) -> tuple[Tensor, dict[str, float]]:
        alpha = concentrations(logits)  # (B, C)
        likelihood = vote_likelihood(counts, alpha)  # (B,)
        misleading = misleading_evidence(counts, alpha)  # (B,)
        weight = self.settings.evidential_regularizer * min(1.0, epoch / _ANNEALING_EPOCHS)
        loss = likelihood + weight * misleading
        parts = {"likelihood": likelihood.mean().item(), "misleading": misleading.mean().item()}
        return (loss if importance is None else loss * importance).mean(), parts

    def _hide(self, batch: int, generator: torch.Generator) -> Tensor | None:
        """Draws (B, 2), true where speech (column 0) or text (column 1) is hidden from the fusion."""
        share = self.settings.modality_dropout
        if share == 0 or "AT" not in self.network.heads:
            return None
        hidden = torch.rand(batch, generator=generator) < share  # (B,)
        speech = torch.rand(batch, generator=generator) < 0.5  # (B,); one modality at a time, never both
        return torch.stack([hidden & speech, hidden & ~speech], dim=1).to(self.target.device)

    def after_step(self) -> None:
        """Does nothing."""

    def after_epoch(self) -> dict[str, object]:
        """Returns the student's dev scores."""
        return dev_scores(forward_amber(self.network, self.dev, self.settings)[self.settings.student], self.dev)
