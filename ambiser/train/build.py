"""Builds networks, tasks and predictions of all training stages; the only place that unpacks a configuration.

To add a training stage, give it a row in `TASKS`.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from ambiser.config import Config
from ambiser.config.model_keys import Model
from ambiser.features.upstreams.finetune import SpeechFront, TextFront
from ambiser.io.layout import Layout
from ambiser.models.encoder import Architecture, IprNetwork
from ambiser.models.fusion import AmberNetwork, FeatureTower, IprTower
from ambiser.models.gaussian import GaussianPrototypes
from ambiser.models.prototypes import PrototypeMemory
from ambiser.train.attribute_task import AttributeTask, add_attributes, check_ratings
from ambiser.train.device import pick_device
from ambiser.train.distill_task import DistillTask, start_from_ipr
from ambiser.train.encoders import feature_sizes
from ambiser.train.fold_checks import check_ambiguous, check_precise, check_targets, check_words
from ambiser.train.fold_data import PartSources
from ambiser.train.gaussian_fit import USED_BY
from ambiser.train.ipr_checkpoint import IprCheckpoint
from ambiser.train.ipr_learn import LearnTask
from ambiser.train.ipr_oracle import OracleTask
from ambiser.train.ipr_refine import Phase, RefineTask
from ambiser.train.ipr_threshold import ThresholdTask, votes_and_needed, wanted_shares
from ambiser.train.loop import TrainingTask
from ambiser.train.part import FoldData, Part, Shapes
from ambiser.train.predictors import Prediction, predict_amber, predict_ipr
from ambiser.train.processes import Divided
from ambiser.train.rater_task import RaterTask, add_raters, count_raters
from ambiser.train.standardization import standardize_amber, standardize_ipr
from ambiser.train.waveforms import Change


@dataclass(frozen=True)
class StageBefore:
    """The name of the stage before, and the tensors of its best.safetensors."""

    name: str
    tensors: dict[str, Tensor]


@dataclass(frozen=True)
class TrainingStage:
    """What a training stage brings.

    Attributes:
        make: builds the task on the device of the data; starts it from the stage before, if the experiment has one.
        predict: predicts a part from the tensors of the trained stage; the seed is for random predictions.
    """

    make: Callable[[Config, FoldData, StageBefore | None], TrainingTask]
    predict: Callable[[Config, dict[str, Tensor], Part, Shapes, int], Prediction]


def part_sources(config: Config, layout: Layout) -> PartSources:
    """Returns where the inputs of an experiment are and in which form."""
    speech, text, finetune = config.speech_features, config.text_features, config.finetune
    reads_speech, reads_text = config.cached()
    folder = layout.speech_dir(config.ssl, speech.form, speech.storage, speech.prosody)
    text_scp = layout.text_dir(config.text, text.form) / "feats.scp"
    trains_text = config.needs_text() and not reads_text
    return PartSources(
        labels=config.labels,
        speech=folder / "feats.scp" if reads_speech else None,
        speech_form=speech.form,
        pooled_features=config.pooled_features(),
        last_layer=config.model.layers == "last",
        cut=Change(finetune.longest_s),
        view=Change(finetune.longest_s, finetune.gain_db, config.ipr.noise, config.ipr.time_mask),
        text=text_scp if reads_text else None,
        tokenizer=text if trains_text else None,
        tokens=text_scp if config.reads_tokens() else None,
        pool=config.ipr.pool,
        raters=config.raters.model != "none" and "distill" in config.stages,
        attributes=config.attributes.weight > 0 and "distill" in config.stages,
    )


def build_ipr(config: Config, shapes: Shapes) -> IprNetwork:
    """Builds the network of IPR with fresh weights from the global generator."""
    front = _speech_front(config)
    layers, dim = feature_sizes(front, shapes)
    return IprNetwork(
        layers=layers, dim=dim, classes=len(shapes.classes), architecture=_architecture(config.model), front=front
    )


def build_amber(config: Config, shapes: Shapes, raters: int = 0) -> AmberNetwork:
    """Builds the network of stage 6 with fresh weights and a model of this many raters; after IPR on IPR's network."""
    settings, architecture, classes = config.amber, _architecture(config.model), len(shapes.classes)
    frames, after_ipr = config.speech_features.form != "pooled", "prototypes" in config.stages
    if after_ipr:
        memory = PrototypeMemory(classes, architecture.projection, 0)  # prototypes alone, without running targets
        gaussian = _empty_gaussian(config, shapes)
        tower: nn.Module = IprTower(
            build_ipr(config, shapes),
            memory,
            config.ipr.prototype_temperature,
            settings.use_prototypes,
            settings.freeze_speech,
            gaussian,
        )
        width = architecture.hidden + classes * (settings.use_prototypes + (gaussian is not None))
    else:
        front = _speech_front(config)
        layers, dim = feature_sizes(front, shapes)
        tower = FeatureTower(layers=layers, dim=dim, frames=frames, architecture=architecture, front=front)
        width = architecture.hidden if frames else dim
    network = AmberNetwork(
        tower=tower,
        width=width,
        encoded=frames or after_ipr,
        text_dim=shapes.text_dim,
        heads=settings.heads(),
        fusion=settings.fusion,
        classes=classes + config.targets.other_class,
        predicted=classes,
        architecture=architecture,
        words=_text_front(config),
    )
    if raters:
        add_raters(network, settings.student, config.raters, raters)
    if config.attributes.weight > 0:
        add_attributes(network, settings.student, architecture)
    return network


def check_later_stages(config: Config, data: FoldData) -> None:
    """Checks in the first stage of IPR already what a later one needs, not after an hour of it.

    Raises:
        DataError: there are no ambiguous training utterances to learn from.
    """
    if config.ipr.ambiguous_share > 0 and {"update", "contrastive"} & set(config.stages):
        check_ambiguous(data, config.labels.precise)


def _make_learn(config: Config, data: FoldData, before: StageBefore | None) -> LearnTask:
    network = _prepare_ipr(config, data, standardize=True)
    task = LearnTask(network, data.train, data.dev, config.ipr, batch=config.prototypes.batch)
    task.modules.to(data.train.soft.device)
    if config.ipr.predict_by in USED_BY:
        task.add_gaussian(config.gaussian, refine=False)
    return task


def _make_refine(stage: str, config: Config, data: FoldData, before: StageBefore | None) -> RefineTask:
    network = _prepare_ipr(config, data, standardize=before is None)  # else the stage before has done it
    epochs = {name: getattr(config, name).epochs for name in ("update", "contrastive") if name in config.stages}
    contrast = stage == "contrastive"
    kind = ThresholdTask if config.ipr.ambiguous_loss == "threshold" else RefineTask
    task = (OracleTask if config.ipr.oracle != "none" else kind)(
        network,
        data.train,
        data.dev,
        config.ipr,
        batch=getattr(config, stage).batch,
        phase=Phase(contrast, epochs.get("update", 0) if contrast else 0, sum(epochs.values())),
        key=build_ipr(config, data.shapes) if config.ipr.key_encoder == "momentum" else None,
    )
    if isinstance(task, ThresholdTask):
        settings, share = config.ipr, config.labels.precise
        votes, needed = settings.votes, settings.votes_needed
        task.use_votes(*votes_and_needed(data.train, task.precise, votes=votes, needed=needed, share=share))
        shares = wanted_shares(data, settings.class_shares, task.labels[task.precise])
        if shares is not None:
            task.use_class_shares(shares)
    task.modules.to(data.train.soft.device)
    if before is not None:  # after the move: the first running targets are computed on the device
        task.start_from(IprCheckpoint(before.tensors), learned=before.name == "prototypes")
    if config.ipr.predict_by in USED_BY:
        task.add_gaussian(config.gaussian, refine=config.ipr.ambiguous_share > 0)
    return task


def _make_distill(config: Config, data: FoldData, before: StageBefore | None) -> DistillTask:
    settings = config.amber
    check_targets(data, settings.target, settings.utterances)
    check_words(data, settings.target, settings.utterances, settings.student)
    raters = 0 if data.train.votes is None else len(data.train.votes.names)
    network = build_amber(config, data.shapes, raters)
    if config.model.standardize:
        standardize_amber(network, data.train, speech="prototypes" not in config.stages)
    if before is not None:
        start_from_ipr(network, IprCheckpoint(before.tensors), config.ipr.predict_by)
    network.to(data.train.soft.device)
    kind = RaterTask if raters else AttributeTask if network.attributes is not None else DistillTask
    optim = config.distill
    schedule = {"batch": optim.batch, "epochs": optim.epochs, "smoothing": config.labels.smoothing}
    task = kind(network, data.train, data.dev, settings, targets=config.targets, **schedule)
    if raters:
        task.use_raters(config.raters)
    elif network.attributes is not None:
        check_ratings(data)
        task.use_ratings(config.attributes)
    return task


def _prepare_ipr(config: Config, data: FoldData, *, standardize: bool) -> IprNetwork:
    """Checks the fold and returns a new network, on request with standardized features."""
    check_precise(data, config.labels.precise)
    check_later_stages(config, data)
    network = build_ipr(config, data.shapes)
    if standardize and config.model.standardize:
        standardize_ipr(network, data.train)
    return network


def _predict_ipr(config: Config, tensors: dict[str, Tensor], part: Part, shapes: Shapes, seed: int) -> Prediction:
    return predict_ipr(build_ipr(config, shapes), IprCheckpoint(tensors), part, config.ipr)


def _predict_distill(config: Config, tensors: dict[str, Tensor], part: Part, shapes: Shapes, seed: int) -> Prediction:
    network = build_amber(config, shapes, count_raters(tensors))
    network.load_state_dict(tensors)
    return predict_amber(network, part, config.amber, classes=shapes.classes, seed=seed)


def _architecture(model: Model) -> Architecture:
    return Architecture(model.hidden, model.projection, model.head, model.pooling, model.dropout)


def _empty_gaussian(config: Config, shapes: Shapes) -> GaussianPrototypes | None:
    """Returns Gaussian prototypes to fill from a checkpoint, or None where the heads do not use them."""
    if config.ipr.predict_by not in USED_BY or not config.amber.use_prototypes:
        return None
    features = shapes.layers * shapes.dim
    return GaussianPrototypes(features, min(config.gaussian.dims, features), len(shapes.classes))


def _speech_front(config: Config) -> Divided | None:
    """Returns the speech encoder to train, on its device, or None when it is frozen."""
    if config.model.encoder == "frozen":
        return None
    device = str(pick_device(config.train.device))
    return Divided(SpeechFront(config.speech_features, config.finetune, device))


def _text_front(config: Config) -> Divided | None:
    """Returns the text encoder to train, or None when it is frozen or no head reads text."""
    if config.model.text_encoder == "frozen" or not config.needs_text():
        return None
    return Divided(TextFront(config.text_features, config.finetune))


TASKS = {
    "prototypes": TrainingStage(_make_learn, _predict_ipr),
    "update": TrainingStage(functools.partial(_make_refine, "update"), _predict_ipr),
    "contrastive": TrainingStage(functools.partial(_make_refine, "contrastive"), _predict_ipr),
    "distill": TrainingStage(_make_distill, _predict_distill),
}
"""The training stages by name, one row each; a test compares the names with `ambiser.stages.TRAINING_STAGES`."""
