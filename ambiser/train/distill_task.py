"""AmbER² and the baselines on its network, as a task for the training loop."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from ambiser.config import Config
from ambiser.config.schema import Optimization
from ambiser.errors import DataError
from ambiser.io.console import log
from ambiser.labels.label_view import smooth_labels
from ambiser.losses.balance import class_weights, utterance_weights
from ambiser.losses.evidential import concentrations, misleading_evidence, vote_likelihood
from ambiser.losses.guidance import amber_loss, scheduled
from ambiser.models.fusion import AmberNetwork, FeatureTower, IprTower
from ambiser.models.prototypes import PrototypeMemory
from ambiser.train.dev_scores import dev_scores, forward_amber
from ambiser.train.encoders import feature_sizes, speech_front, speech_statistics, text_front, text_rows
from ambiser.train.fold_data import Part, Shapes
from ambiser.train.ipr_tasks import build_network
from ambiser.train.sampling import shuffled_batches

_ANNEALING_EPOCHS = 10


def build_amber(config: Config, shapes: Shapes) -> AmberNetwork:
    """Builds the network with fresh weights; after IPR its tower is IPR's network, to be filled by `start_from_ipr`."""
    model, classes = config.model, len(shapes.classes)
    frames = config.speech_features.form != "pooled"
    if "prototypes" in config.stages:
        memory = PrototypeMemory(classes, model.projection, 0)
        tower: nn.Module = IprTower(
            build_network(config, shapes),
            memory,
            config.ipr.prototype_temperature,
            config.amber.use_prototypes,
            config.amber.freeze_speech,
        )
        width = model.hidden + (classes if config.amber.use_prototypes else 0)
    else:
        front = speech_front(config)
        layers, dim = feature_sizes(front, shapes)
        tower = FeatureTower(layers=layers, dim=dim, frames=frames, model=model, front=front)
        width = model.hidden if frames else dim
    return AmberNetwork(
        tower=tower,
        width=width,
        encoded=frames or "prototypes" in config.stages,
        text_dim=shapes.text_dim,
        heads=config.amber.heads(),
        fusion=config.amber.fusion,
        classes=classes,
        model=model,
        words=text_front(config),
    )


@torch.no_grad()
def start_from_ipr(network: AmberNetwork, state: dict[str, Tensor]) -> None:
    """Fills the speech side from an IPR checkpoint; head A starts as IPR's classifier.

    Args:
        network: made by `build_amber` for an experiment that has IPR's stages.
        state: tensors of the last IPR stage.
    """
    tower = network.tower
    prefix = "network."
    tower.network.load_state_dict(
        {name.removeprefix(prefix): t for name, t in state.items() if name.startswith(prefix)}
    )
    tower.memory.prototypes.copy_(state["memory.prototypes"])
    if "A" in network.heads:
        head, classifier = network.heads["A"], tower.network.classifier
        head.weight.zero_()
        head.weight[:, : classifier.in_features].copy_(classifier.weight)
        head.bias.copy_(classifier.bias)


class DistillTask:
    """Stage 6: heads A, T and AT, supervised by votes and, for the student, by the other heads."""

    def __init__(self, config: Config, optim: Optimization, shapes: Shapes, train: Part, dev: Part, fold: int) -> None:
        self.config, self.optim, self.train, self.dev = config, optim, train, dev
        if config.amber.target == "majority":
            self.items = torch.nonzero(train.hard >= 0).flatten().cpu()
            self.targets = one_hot(train.hard.clamp_min(0), len(shapes.classes)).float()
        else:
            self.items = torch.arange(len(train))
            self.targets = train.soft
        if len(self.items) == 0:
            raise DataError(f"fold {fold}: no training utterance has a majority; use amber.target=votes")
        self.counts = train.counts
        if config.amber.target == "majority":
            self.counts = self.targets * train.counts.sum(dim=1, keepdim=True)
        smooth = smooth_labels(self.targets.double().cpu().numpy(), config.labels.smoothing)
        self.targets = torch.from_numpy(smooth).float().to(train.soft.device)
        self.importance = None
        if config.amber.class_weights == "effective_number":
            weights = utterance_weights(self.targets, class_weights(self.counts[self.items]))
            self.importance = weights / weights[self.items].mean()
        self.has_text = train.has_text()
        if self.has_text is not None and not self.has_text[self.items].any():
            nothing = f"fold {fold}: no training utterance has words"
            if config.amber.student == "T":
                raise DataError(f"{nothing}, and the student hears text alone; use amber.student=A")
            log.warning("%s: head T learns nothing, and AT hears speech alone", nothing)
        self.network = build_amber(config, shapes)
        if config.model.standardize and "prototypes" not in config.stages:
            tower = self.network.tower
            mix = getattr(tower.encoder, "mix", tower.encoder)
            mix.standardizer.set(*speech_statistics(tower.front, train))
        if self.network.text is not None and config.model.standardize:
            words = text_rows(self.network.words, train.text[self.has_text] if self.has_text.any() else train.text)
            deviation = words.std(dim=0, unbiased=False)
            scale = deviation.square().mean().sqrt()  # one scale for all: rare words must not be blown up
            self.network.text.set(words.mean(dim=0), scale.expand_as(deviation))
        if train.tokens is not None and config.model.standardize and self.has_text.any():
            mean, deviation = train.token_statistics()
            self.network.fusion.standardizer.set(mean, deviation.square().mean().sqrt().expand_as(deviation))
        self.modules: nn.Module = self.network

    def steps(self) -> int:
        """All utterances once an epoch."""
        return -(-len(self.items) // self.optim.batch)

    def batches(self, epoch: int, generator: torch.Generator) -> Iterator[Tensor]:
        """Yields indices of training utterances."""
        return shuffled_batches(self.items, self.optim.batch, generator)

    def loss(self, batch: Tensor, epoch: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """Computes the objective of AmbER², or the Dirichlet's, on a batch."""
        settings = scheduled(self.config.amber, epoch, self.optim.epochs)
        hide, tokens = self._hide(len(batch), generator), self.train.padded_tokens(batch)
        logits = self.network(*self.train.inputs(batch, generator), hide, tokens)
        importance = None if self.importance is None else self.importance[batch]
        if settings.evidential:
            return self._evidential_loss(logits[settings.student], self.counts[batch], importance, epoch)
        heads = {name: values.log_softmax(dim=1) for name, values in logits.items()}
        has_text = None if self.has_text is None else self.has_text[batch]
        loss, parts = amber_loss(self.targets[batch], heads, settings, has_text=has_text, importance=importance)
        return loss, {name: part.item() for name, part in parts.items()}

    def _evidential_loss(
        self, logits: Tensor, counts: Tensor, importance: Tensor | None, epoch: int
    ) -> tuple[Tensor, dict[str, float]]:
        alpha = concentrations(logits)
        fit = vote_likelihood(counts, alpha)
        misled = misleading_evidence(counts, alpha)
        weight = self.config.amber.evidential_regularizer * min(1.0, epoch / _ANNEALING_EPOCHS)
        loss = fit + weight * misled
        parts = {"likelihood": fit.mean().item(), "misleading": misled.mean().item()}
        return (loss if importance is None else loss * importance).mean(), parts

    def _hide(self, batch: int, generator: torch.Generator) -> Tensor | None:
        """Draws whose speech (column 0) or text (column 1) is hidden from the fusion."""
        share = self.config.amber.modality_dropout
        if share == 0 or "AT" not in self.network.heads:
            return None
        hidden = torch.rand(batch, generator=generator) < share
        speech = torch.rand(batch, generator=generator) < 0.5
        return torch.stack([hidden & speech, hidden & ~speech], dim=1).to(self.targets.device)

    def after_step(self) -> None:
        """Nothing follows a step."""

    def after_epoch(self) -> dict[str, object]:
        """Returns the student's dev scores."""
        settings = self.config.amber
        return dev_scores(forward_amber(self.network, self.dev, settings)[settings.student], self.dev)
