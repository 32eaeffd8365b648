"""Runs one training stage on one fold: loads the data, builds the task, trains, writes best.safetensors."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from ambiser.config import Config
from ambiser.config.data_keys import LabelPolicy
from ambiser.config.reads import watch
from ambiser.config.used_keys import stage_config
from ambiser.io.console import log
from ambiser.io.layout import Layout, require
from ambiser.io.locks import hold
from ambiser.io.tables import read_list
from ambiser.train.build import TASKS, StageBefore, check_later_stages, part_sources
from ambiser.train.checkpoint import load_best
from ambiser.train.device import prepare_torch
from ambiser.train.fold_checks import check_sets
from ambiser.train.fold_data import PartSources, load_part
from ambiser.train.loop import epoch_seed, fit
from ambiser.train.part import FoldData, Part
from ambiser.train.processes import check_same, is_first, size
from ambiser.train.rater_votes import check_raters, load_rater_votes
from ambiser.train.shared_stages import SharedStages

_TINY = 1e-6  # soft labels are float32, and masses sums of 1/k


def train_stage(stage: str, config: Config, layout: Layout, *, tag: str, seed: int, fold: int) -> None:
    """Trains a stage on a fold; skips a finished stage, links an equal one, and resumes a killed one.

    Args:
        stage: one of `ambiser.stages.TRAINING_STAGES`.
        config: the experiment.
        layout: the folders.
        tag: name of the experiment.
        seed: seed of the experiment.
        fold: number of the fold, 1..

    Raises:
        DataError: a file of an earlier stage is missing, the data cannot be trained on, or another run trains this
            stage and this one has several processes. One process waits for the other run.
    """
    where = {"tag": tag, "seed": seed, "fold": fold}
    best = layout.best(tag, fold, stage)
    if best.is_file() or not is_first():
        _train_or_skip(stage, config, layout, **where)
        return
    # Several processes cannot wait: the others would lose patience with the first.
    with hold(layout.training_lock(tag, fold, stage), wait=size() == 1):
        _train_or_skip(stage, config, layout, **where)


def _train_or_skip(stage: str, config: Config, layout: Layout, *, tag: str, seed: int, fold: int) -> None:
    folder, best = layout.training(tag, fold, stage), layout.best(tag, fold, stage)
    check_same(int(best.is_file()), f"whether {best} exists")
    if best.is_file():
        if is_first():
            (folder / "last.pt").unlink(missing_ok=True)
        log.info(f"{best} already exists; nothing to do")
        return
    name, own = previous_stage(config.stages, stage), stage_config(config, stage)
    before = require(layout.best(tag, fold, name), name) if name else None
    device = prepare_torch(config.train.device, config.train.threads)
    where = {"stage": stage, "seed": seed, "fold": fold, "before": before}
    if config.learns():
        _train(own, layout, folder, device, whole=config, **where)
        return
    shared = SharedStages(own, layout, folder, **where)
    if not shared.reuse():
        watched, read = watch(own)
        _train(watched, layout, folder, device, whole=config, **where)
        shared.record(read)


def _train(
    config: Config,
    layout: Layout,
    folder: Path,
    device: torch.device,
    *,
    whole: Config,
    stage: str,
    seed: int,
    fold: int,
    before: Path | None,
) -> None:
    """Trains a stage.

    Args:
        config: what the stage works with; everything that shapes the result is read from it.
        layout, stage, seed, fold: as in `train_stage`.
        folder: of the stage.
        device: where to train.
        whole: the experiment with all stages.
        before: the file of the stage before, if there is one.
    """
    sources = part_sources(config, layout)
    if stage == "distill":  # its targets are votes
        sources = replace(sources, pool=False)
    data = _load_fold(sources, config.learned_labels(), layout, fold, device)
    check_later_stages(whole, data)
    if sources.raters and stage == "distill":
        tested = read_list(require(layout.fold_list(fold, "test"), "prepare"))
        check_raters(data.train.votes, load_rater_votes(layout, config.labels, tested), fold=fold)
    own_seed = epoch_seed(seed, f"fold{fold}", 0)
    torch.manual_seed(epoch_seed(own_seed, stage, 0))  # for the first weights; `fit` seeds every epoch
    start = None if before is None else StageBefore(before.parent.name, load_best(before)[0])
    task = TASKS[stage].make(config, data, start)
    _announce(stage, data, device)
    check_sets(data, config.score)
    _prepare_folder(folder)
    shapes = data.shapes
    facts = {
        "stage": stage,
        "layers": shapes.layers,
        "dim": shapes.dim,
        "text_dim": shapes.text_dim,
        "classes": list(shapes.classes),
    }
    settings = {"tensorboard": config.train.tensorboard, "save_every_s": whole.train.save_every_s}
    # The section has the name of the stage.
    fit(task, getattr(config, stage), folder, stage=stage, seed=own_seed, facts=facts, **settings)


def previous_stage(stages: Sequence[str], stage: str) -> str | None:
    """Returns the experiment's stage before a stage, or None."""
    position = stages.index(stage)
    return stages[position - 1] if position else None


def describe_part(part: Part) -> str:
    """Describes how many utterances of each kind a part has, and how many lack words when a head reads text."""
    kinds = torch.bincount(part.kind.long().cpu(), minlength=3).tolist()
    has_text = part.has_text()
    silent = 0 if has_text is None else int((~has_text).sum())
    words = f", {silent} without words" if silent else ""
    return f"{len(part)} utterances ({kinds[0]} precise, {kinds[1]} ambiguous, {kinds[2]} neither{words})"


def why_one_hot(part: Part) -> str:
    """Explains why all soft labels of a part are one-hot; "" when one is not."""
    if (part.soft.max(dim=1).values < 1 - _TINY).any():  # (N, C) to (N,)
        return ""
    single = (part.counts.sum(dim=1) < 1 + _TINY).all()
    return "every training utterance has a single vote" if single else "the raters agree on every training utterance"


def _load_fold(sources: PartSources, learned: LabelPolicy, layout: Layout, fold: int, device: torch.device) -> FoldData:
    """Loads both parts; the training part under its own label policy, which may have one more class."""
    train, _ = load_part(replace(sources, labels=learned), layout, fold, "train", device)
    dev, shapes = load_part(sources, layout, fold, "dev", device)
    return FoldData(fold, train, dev, shapes)


def _announce(stage: str, data: FoldData, device: torch.device) -> None:
    """Logs the size of the parts, and warns when there is no disagreement to learn from."""
    where = f"{device}" if size() == 1 else f"{device}, by {size()} processes"
    log.info(f"{stage}: {describe_part(data.train)} for training, {describe_part(data.dev)} for dev, on {where}")
    if why := why_one_hot(data.train):
        log.warning(f"{stage}: {why}, so all soft labels are one-hot: nothing is learned about disagreement")


def _prepare_folder(folder: Path) -> None:
    """Creates the folder, or removes unfinished files of a killed process."""
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(".*.tmp") if is_first() else ():
        left.unlink(missing_ok=True)
