"""The loop: learning rate, best epoch, patience, and a resumed training that ends in the same bytes."""

import json

import pytest
import torch
from train.toy import CLASSES, make_part, make_task, with_tokens

from ambiser.config import Config
from ambiser.config.training_keys import Optimization
from ambiser.errors import DataError
from ambiser.train import loop
from ambiser.train.checkpoint import load_best
from ambiser.train.part import Shapes


class _Killed(Exception):
    """Stands for a process that ends here."""


def _config() -> Config:
    return Config.model_validate(
        {
            "stages": ["prototypes", "contrastive"],
            "model": {"hidden": 12, "projection": 5},
            "ipr": {"queue": 30, "key_momentum": 0.9},
            "prototypes": {"epochs": 4, "batch": 8},
            "contrastive": {"epochs": 4, "batch": 8},
            "distill": {"epochs": 4, "batch": 8},
            "amber": {"fusion": "cross_attention", "modality_dropout": 0.5},
            "speech_features": {"form": "frames"},
            "text_features": {"form": "tokens"},
        }
    )


def _task(kind: str, config: Config):
    torch.manual_seed(0)
    if kind == "distill":
        train, dev = (with_tokens(make_part(count, seed, frames=True)) for count, seed in ((60, 0), (20, 5)))
        return make_task("distill", config, train, dev, Shapes(1, 6, 5, CLASSES))
    train, dev = make_part(), make_part(20, seed=5)
    learn = make_task("prototypes", config, train, dev)
    if kind == "prototypes":
        return learn
    learn.after_epoch()
    state = {name: tensor.clone() for name, tensor in learn.modules.state_dict().items()}
    return make_task("contrastive", config, train, dev, before=("prototypes", state))


def _fit(kind: str, folder, monkeypatch=None, die_after: int | None = None) -> None:
    config = _config()
    task = _task(kind, config)
    if die_after is not None:
        steps = iter(range(10_000))
        original = task.loss

        def dying(*args):
            if next(steps) == die_after:
                raise _Killed
            return original(*args)

        monkeypatch.setattr(task, "loss", dying)
    loop.fit(task, getattr(config, kind), folder, stage=kind, seed=7, facts={}, tensorboard=False)


@pytest.mark.parametrize("kind", ["prototypes", "contrastive", "distill"])
@pytest.mark.parametrize("die_after", [0, 4, 8, 11])
def test_a_killed_and_resumed_training_ends_in_the_same_bytes(kind, die_after, tmp_path, monkeypatch):
    _fit(kind, tmp_path / "whole")
    with pytest.raises(_Killed):
        _fit(kind, tmp_path / "broken", monkeypatch, die_after)
    assert not (tmp_path / "broken" / "best.safetensors").exists()
    _fit(kind, tmp_path / "broken")
    names = sorted(path.name for path in (tmp_path / "whole").iterdir())
    assert (
        names == sorted(path.name for path in (tmp_path / "broken").iterdir()) == ["best.safetensors", "metrics.jsonl"]
    )
    for name in names:
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "broken" / name).read_bytes()


class _FixedScores:
    """A task that learns nothing and scores as told."""

    def __init__(self, scores: list[float]) -> None:
        self.modules = torch.nn.Linear(1, 1)
        self.scores = iter(scores)

    def steps(self):
        return 1

    def batches(self, epoch, generator):
        yield torch.ones(2, 1)

    def loss(self, batch, epoch, generator):
        return self.modules(batch).pow(2).mean(), {}

    def after_step(self):
        pass

    def after_epoch(self):
        score = next(self.scores)
        jsd = 1 - (score or 0)
        return {"dev_ua": score, "dev_accuracy": score, "dev_jsd": jsd, "dev_calibrated_jsd": jsd}


@pytest.mark.parametrize(("select", "best"), [("ua", 2), ("jsd", 2)])
def test_best_epoch_is_the_first_with_the_best_dev_score(select, best, tmp_path):
    optim = Optimization(epochs=4, select=select)
    loop.fit(_FixedScores([0.3, 0.8, 0.8, 0.5]), optim, tmp_path, stage="x", seed=1, facts={}, tensorboard=False)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines if line["best"]][-1] == best


def test_select_last_keeps_the_last_epoch_and_ignores_dev_and_patience(tmp_path):
    optim = Optimization(epochs=4, patience=1, select="last")
    loop.fit(_FixedScores([0.9, 0.1, None, 0.5]), optim, tmp_path, stage="x", seed=1, facts={}, tensorboard=False)
    _, facts = load_best(tmp_path / "best.safetensors")
    assert (facts["epoch"], facts["select"]) == (4, "last")
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 4


def test_patience_stops_early(tmp_path):
    optim = Optimization(epochs=9, patience=2)
    loop.fit(_FixedScores([0.3, 0.8, 0.1, 0.2, 0.9]), optim, tmp_path, stage="x", seed=1, facts={}, tensorboard=False)
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 4


def test_rate_rises_then_falls_to_zero():
    factors = [loop.rate_factor(step, 100, 0.1) for step in range(100)]
    assert factors[0] == pytest.approx(1 / 11)
    assert factors[10] == pytest.approx(1.0)
    assert factors[:11] == sorted(factors[:11])
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[-1] < 0.001
    assert loop.rate_factor(0, 100, 0.0) == 1.0


def test_a_loss_that_is_not_finite_is_one_line(tmp_path):
    task = _FixedScores([0.1])
    task.loss = lambda *args: (torch.tensor(float("nan"), requires_grad=True), {})
    with pytest.raises(DataError, match="the loss is nan in epoch 1, step 1; lower x.learning_rate"):
        loop.fit(task, Optimization(epochs=1), tmp_path, stage="x", seed=1, facts={}, tensorboard=False)


def test_dev_predictions_that_are_not_finite_are_one_line_and_select_no_epoch(tmp_path):
    task = _task("prototypes", _config())

    def broken() -> None:
        next(task.modules.parameters()).data.fill_(float("inf"))

    task.after_step = broken
    task.steps = lambda: 1
    with pytest.raises(DataError, match="x: dev JSD is nan after epoch 1: the weights are not finite, or features of"):
        loop.fit(task, Optimization(epochs=1, batch=60), tmp_path, stage="x", seed=1, facts={}, tensorboard=False)
    assert not (tmp_path / "best.safetensors").exists()


def test_a_dev_part_without_a_majority_is_an_error(tmp_path):
    task = _FixedScores([0.1])
    task.after_epoch = lambda: {"dev_ua": None, "dev_accuracy": None, "dev_jsd": 0.3}
    with pytest.raises(DataError, match="x.select"):
        loop.fit(task, Optimization(epochs=1, select="ua"), tmp_path, stage="x", seed=1, facts={}, tensorboard=False)


def test_tensorboard_gets_the_curves(tmp_path):
    loop.fit(_FixedScores([0.3, 0.8]), Optimization(epochs=2), tmp_path, stage="x", seed=1, facts={}, tensorboard=True)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [round(event.value, 4) for event in events.Scalars("dev_ua")] == [0.3, 0.8]
