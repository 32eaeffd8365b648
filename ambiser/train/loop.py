"""Runs the loop of every training stage: epochs, dev scores, best epoch, curves, a checkpoint per epoch.

A stage is a `TrainingTask`. All its state lives in `task.modules` (parameters and buffers), so one state dict is enough
to save. Every epoch seeds the generators from (seed, stage, epoch), so a training that was killed and resumed gives the
same numbers as one that was not.
"""

import functools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from ambiser.config.training_keys import Optimization
from ambiser.errors import DataError
from ambiser.io.console import log, progress
from ambiser.io.files import digest
from ambiser.train.checkpoint import Progress, load_progress, save_best
from ambiser.train.encoders import log_parameters, parameter_groups
from ambiser.train.metrics_log import Curves
from ambiser.train.processes import check_same, is_first, sum_gradients

# Fused, an update passes over the weights once instead of a dozen times: a sixth of the time on a CPU.
OPTIMIZERS = {"adamw": functools.partial(torch.optim.AdamW, fused=True), "sgd": torch.optim.SGD}
LOWER_IS_BETTER = {"jsd", "calibrated_jsd"}


class TrainingTask(Protocol):
    """What a training stage must bring to the loop."""

    modules: nn.Module

    def steps(self) -> int:
        """Returns the steps per epoch."""

    def batches(self, epoch: int, generator: torch.Generator) -> Iterator[object]:
        """Draws the batches of an epoch (1..) with no other randomness than the generator."""

    def loss(self, batch: object, epoch: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """Returns the loss of a batch, and further numbers for the curves."""

    def after_step(self) -> None:
        """Runs after the optimizer's step (updates a momentum encoder)."""

    def after_epoch(self) -> dict[str, object]:
        """Returns dev_accuracy, dev_ua and dev_jsd, and further numbers for metrics.jsonl."""


def fit(
    task: TrainingTask,
    optim: Optimization,
    folder: Path,
    *,
    stage: str,
    seed: int,
    facts: dict,
    tensorboard: bool,
    save_every_s: float = 0.0,
) -> None:
    """Trains until the last epoch or until patience runs out, then writes best.safetensors as the last file.

    Of several processes only the first one writes.

    Args:
        task: the stage.
        optim: its optimization settings.
        folder: for metrics.jsonl, last.pt (during training), tensorboard/ and best.safetensors.
        stage: name of the stage; part of the seed of every epoch.
        seed: seed of the experiment.
        facts: header of best.safetensors, besides epoch and dev score.
        tensorboard: also write curves for TensorBoard.
        save_every_s: the shortest time between two writings of last.pt; 0 writes it after every epoch.

    Raises:
        DataError: the loss or the dev JSD is not finite.
    """
    groups = parameter_groups(task.modules, optim.learning_rate)
    optimizer = OPTIMIZERS[optim.optimizer](groups, lr=optim.learning_rate, weight_decay=optim.weight_decay)
    log_parameters(task.modules)
    state = _resume(task, optimizer, folder / "last.pt")
    check_same(state["epoch"], "the resume epoch")
    curves = Curves(folder, state["history"], tensorboard, facts.get("classes", ())) if is_first() else None
    with Progress(folder / "last.pt", save_every_s) as progress_file:
        for epoch in range(state["epoch"] + 1, optim.epochs + 1):
            if _out_of_patience(state["history"], optim.patience):
                break
            line = _train_epoch(task, optim, optimizer, stage, seed, epoch) | task.after_epoch()
            _keep_best(state, line, task, optim.select, stage)
            state |= {"epoch": epoch, "history": [*state["history"], line]}
            if curves is not None:
                curves.add(line)
                modules = {"model": task.modules.state_dict(), "optimizer": optimizer.state_dict()}
                progress_file.add({**state, **modules})
            log.info(_describe(line, optim.epochs))
    if curves is not None:
        curves.close()
        _finish(state, optim, folder, facts)


def epoch_seed(seed: int, stage: str, epoch: int) -> int:
    """Derives the seed of an epoch."""
    return int(digest(str(seed), stage, str(epoch))[:15], 16)


def rate_factor(step: int, steps: int, warmup: float) -> float:
    """Returns the learning rate of a step (0..steps-1) as a share of its peak: a linear rise, then half a cosine."""
    rising = warmup * steps
    if step < rising:
        return (step + 1) / (rising + 1)  # the first step already learns
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1.0, steps - rising)))


def _finish(state: dict[str, object], optim: Optimization, folder: Path, facts: dict[str, object]) -> None:
    """Writes the weights of the best epoch, and removes the progress file, which only a resumed training needs."""
    best = state["best_epoch"]
    chosen = state["history"][best - 1]
    save_best(
        folder / "best.safetensors",
        state["best"],
        {**facts, "epoch": best, "select": optim.select, "dev": _dev_score(chosen, optim.select)},
    )
    (folder / "last.pt").unlink(missing_ok=True)
    reason = "" if optim.select == "last" else f" by dev {optim.select} {_dev_score(chosen, optim.select):.4f}"
    log.info(f"keeps epoch {best} of {state['epoch']}{reason}")


def _train_epoch(
    task: TrainingTask,
    optim: Optimization,
    optimizer: torch.optim.Optimizer,
    stage: str,
    seed: int,
    epoch: int,
) -> dict[str, object]:
    """Trains an epoch and returns its number, learning rate and mean losses."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    number = epoch_seed(seed, stage, epoch)
    torch.manual_seed(number)
    generator = torch.Generator().manual_seed(number)
    steps = task.steps()
    # Python floats: a tensor would keep the graph of every step alive.
    sums: dict[str, float] = {}
    task.modules.train()
    batches = progress(task.batches(epoch, generator), f"{stage} epoch {epoch}/{optim.epochs}", steps)
    for index, batch in enumerate(batches):
        factor = rate_factor((epoch - 1) * steps + index, optim.epochs * steps, optim.warmup)
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * factor
        loss, parts = task.loss(batch, epoch, generator)
        value = loss.item()
        if not math.isfinite(value):
            raise DataError(
                f"{stage}: the loss is {value} in epoch {epoch}, step {index + 1}; lower {stage}.learning_rate"
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        sum_gradients(task.modules)  # before clipping, so that all processes clip the same norm
        nn.utils.clip_grad_norm_(parameters, optim.clip)
        optimizer.step()
        task.after_step()
        for name, part in {"train_loss": value, **parts}.items():
            sums[name] = sums.get(name, 0.0) + part
    task.modules.eval()
    return {"epoch": epoch, "learning_rate": optim.learning_rate * factor, **{k: v / steps for k, v in sums.items()}}


def _resume(task: TrainingTask, optimizer: torch.optim.Optimizer, path: Path) -> dict:
    """Loads task and optimizer from last.pt, where there is one, and returns the rest of the training's state."""
    state = load_progress(path)
    if state is None:
        return {"epoch": 0, "history": [], "best": {}, "best_epoch": 0}
    task.modules.load_state_dict(state.pop("model"))
    optimizer.load_state_dict(state.pop("optimizer"))
    log.info(f"resumes after epoch {state['epoch']}")
    return state


def _dev_score(line: dict, select: str) -> float | None:
    """Returns the score that selects the epoch; with "last" its number, so that every epoch beats the earlier ones."""
    return line["epoch"] if select == "last" else line[f"dev_{select}"]


def _keep_best(state: dict, line: dict, task: TrainingTask, select: str, stage: str) -> None:
    """Marks the line of an epoch as best or not, and copies the weights of a best one into the state."""
    score = _dev_score(line, select)
    if score is None:
        raise DataError(f"no dev utterance has a majority label, so dev {select} has no value; set {stage}.select=jsd")
    if not math.isfinite(line["dev_jsd"]):
        raise DataError(
            f"{stage}: dev JSD is {line['dev_jsd']} after epoch {line['epoch']}: the weights are not finite, or "
            f"features of dev are too far from those of the training part; lower {stage}.learning_rate"
        )
    before = [_dev_score(old, select) for old in state["history"]]
    better = not before or (score < min(before) if select in LOWER_IS_BETTER else score > max(before))
    line["best"] = better  # a tie keeps the earlier epoch
    if better:
        # Copies: the next step changes the weights in place.
        state["best"] = {
            name: tensor.detach().to("cpu", copy=True) for name, tensor in task.modules.state_dict().items()
        }
        state["best_epoch"] = line["epoch"]


def _out_of_patience(history: list[dict], patience: int) -> bool:
    return patience > 0 and len(history) > patience and not any(line["best"] for line in history[-patience:])


def _describe(line: dict, epochs: int) -> str:
    shown = [f"epoch {line['epoch']:>3}/{epochs}", f"loss {line['train_loss']:7.4f}"]
    for name in ("dev_accuracy", "dev_ua", "dev_jsd"):
        shown.append(f"{name.removeprefix('dev_')} " + ("-" if line[name] is None else f"{line[name]:.4f}"))
    if "agreement_prototypes" in line and line["agreement_prototypes"] is not None:
        shown.append(f"agreement {line['agreement_classifier']:.3f} / {line['agreement_prototypes']:.3f}")
    return "  ".join([*shown, "*" if line["best"] else ""]).rstrip()
