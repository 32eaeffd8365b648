"""Runs one training stage on one fold: loads what it needs, builds the task, trains, leaves best.safetensors."""

from pathlib import Path

import torch

from ambiser.config import Config
from ambiser.io.console import log
from ambiser.io.layout import Layout, require
from ambiser.train.checkpoint import load_best
from ambiser.train.distill_task import DistillTask, start_from_ipr
from ambiser.train.fold_data import Part, Shapes, load_part, pick_device
from ambiser.train.ipr_tasks import IprTask, LearnTask, RefineTask
from ambiser.train.loop import epoch_seed, fit
from ambiser.train.processes import is_first, size

_TINY = 1e-6  # soft labels are float32, and masses sums of 1/k


def train_stage(stage: str, config: Config, layout: Layout, *, tag: str, seed: int, fold: int) -> None:
    """Trains a stage on a fold; a stage that is done is left as it is, one that was killed goes on.

    Args:
        stage: one of `ambiser.stages.TRAINING_STAGES`.
        config: the experiment.
        layout: the folders.
        tag: name of the experiment.
        seed: its seed.
        fold: number of the fold, 1..

    Raises:
        DataError: a file of an earlier stage is missing, or the data cannot be trained on.
    """
    folder, best = layout.training(tag, fold, stage), layout.best(tag, fold, stage)
    if best.is_file():
        if is_first():
            (folder / "last.pt").unlink(missing_ok=True)
        log.info(f"{best} is there already; nothing to do")
        return
    before = previous_stage(config, stage)
    state = load_best(require(layout.best(tag, fold, before), before))[0] if before else {}
    device = prepare_torch(config)
    train, shapes = load_part(config, layout, fold, "train", device)
    dev, _ = load_part(config, layout, fold, "dev", device)
    own_seed = epoch_seed(seed, f"fold{fold}", 0)
    torch.manual_seed(epoch_seed(own_seed, stage, 0))
    task = _make_task(stage, config, shapes, train, dev, fold, state, before)
    _announce(stage, train, dev, device)
    _prepare_folder(folder)
    facts = {
        "stage": stage,
        "layers": shapes.layers,
        "dim": shapes.dim,
        "text_dim": shapes.text_dim,
        "classes": list(shapes.classes),
    }
    optim = getattr(config, stage)
    fit(task, optim, folder, stage=stage, seed=own_seed, facts=facts, tensorboard=config.train.tensorboard)


def previous_stage(config: Config, stage: str) -> str | None:
    """Returns the stage of the experiment that comes before, or None."""
    position = config.stages.index(stage)
    return config.stages[position - 1] if position else None


def prepare_torch(config: Config) -> torch.device:
    """Fixes the number of threads, asks for deterministic kernels, and returns the device."""
    torch.set_num_threads(config.train.threads)
    device = pick_device(config.train.device)
    if device.type == "cuda":  # on a CPU all kernels used here are deterministic, and asking takes a second of imports
        torch.use_deterministic_algorithms(True, warn_only=True)
    return device


def describe_part(part: Part) -> str:
    """Says how many utterances of each kind a part has, and how many lack words where text is read."""
    kinds = torch.bincount(part.kind.long().cpu(), minlength=3).tolist()
    has_text = part.has_text()
    silent = 0 if has_text is None else int((~has_text).sum())
    words = f", {silent} without words" if silent else ""
    return f"{len(part)} utterances ({kinds[0]} precise, {kinds[1]} ambiguous, {kinds[2]} neither{words})"


def why_one_hot(part: Part) -> str:
    """Says why no utterance of a part has a divided soft label; nothing where one has."""
    if (part.soft.max(dim=1).values < 1 - _TINY).any():
        return ""
    single = (part.counts.sum(dim=1) < 1 + _TINY).all()
    return "every training utterance has a single vote" if single else "the raters agree on every training utterance"


def _announce(stage: str, train: Part, dev: Part, device: torch.device) -> None:
    where = f"{device}" if size() == 1 else f"{device}, by {size()} processes"
    log.info(f"{stage}: {describe_part(train)} for training, {describe_part(dev)} for dev, on {where}")
    if why := why_one_hot(train):
        log.warning(f"{stage}: {why}, so all soft labels are one-hot: nothing is learned about disagreement")


def _prepare_folder(folder: Path) -> None:
    """Makes the folder, or removes what a process left there that was killed while it wrote."""
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(".*.tmp") if is_first() else ():
        left.unlink(missing_ok=True)


def _make_task(
    stage: str,
    config: Config,
    shapes: Shapes,
    train: Part,
    dev: Part,
    fold: int,
    state: dict[str, torch.Tensor],
    before: str | None,
) -> IprTask | DistillTask:
    optim = getattr(config, stage)
    if stage == "distill":
        task = DistillTask(config, optim, shapes, train, dev, fold)
        if before:
            start_from_ipr(task.network, state)
        task.modules.to(train.soft.device)
        return task
    if stage == "prototypes":
        task = LearnTask(config, optim, shapes, train, dev, fold)
        task.modules.to(train.soft.device)
        return task
    lengths = [getattr(config, name).epochs for name in ("update", "contrastive") if name in config.stages]
    done = config.update.epochs if stage == "contrastive" and "update" in config.stages else 0
    task = RefineTask(
        config,
        optim,
        shapes,
        train,
        dev,
        fold,
        contrast=stage == "contrastive",
        epochs_before=done,
        epochs_in_all=sum(lengths),
    )
    task.modules.to(train.soft.device)
    task.start_from(state, before)
    return task
