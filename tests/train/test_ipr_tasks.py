"""The phases of IPR on a toy fold."""

import dataclasses

import pytest
import torch
from train.toy import CLASSES, SHAPES, make_part, make_task

from ambiser.config import Config
from ambiser.errors import DataError
from ambiser.models.prototypes import class_means
from ambiser.train.checkpoint import load_best
from ambiser.train.dev_scores import forward_ipr
from ambiser.train.loop import fit
from ambiser.train.part import Shapes


def _config(**ipr) -> Config:
    optim = {"epochs": 2, "batch": 8}
    return Config.model_validate(
        {
            "stages": ["prototypes", "update", "contrastive"],
            "model": {"hidden": 12, "projection": 5},
            "ipr": {"queue": 20, "key_momentum": 0.9, **ipr},
            "prototypes": optim,
            "update": optim,
            "contrastive": optim,
        }
    )


def _refine(config: Config, train, dev, tmp_path, *, shapes=SHAPES) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    first = make_task("prototypes", config, train, dev, shapes)
    fit(first, config.prototypes, tmp_path / "a", stage="prototypes", seed=1, facts={}, tensorboard=False)
    before = "prototypes", load_best(tmp_path / "a" / "best.safetensors")[0]
    task = make_task("contrastive", config, train, dev, shapes, before=before)
    fit(task, config.contrastive, tmp_path / "b", stage="contrastive", seed=1, facts={}, tensorboard=False)
    return load_best(tmp_path / "b" / "best.safetensors")[0]


def test_phase_one_prototypes_are_the_class_means_of_precise_utterances():
    config, train = _config(), make_part()
    task = make_task("prototypes", config, train, make_part(20, seed=5))
    task.after_epoch()
    _, embeddings = forward_ipr(task.network, train)
    precise = train.kind == 0
    assert torch.allclose(task.memory.prototypes, class_means(embeddings[precise], train.hard[precise], 4), atol=1e-6)


@pytest.mark.parametrize(
    "choice",
    [
        {},
        {"update": "soft"},
        {"assign_by": "classifier"},
        {"key_encoder": "shared"},
        {"prototypes_from": "all"},
        {"queue": 0},
        {"ambiguous_share": 0.0},
        {"class_balanced": True},
        {"alignment": "uniform"},
        {"alignment": "none"},
        {"layer_mask": 0.5, "noise": 0.1},
        {"queue": 5000},
        {"predict_by": "prototypes"},
        {"predict_by": "gaussian"},
        {"predict_by": "classifier_and_gaussian", "ambiguous_loss": "threshold"},
        {"contrastive_weight": 0.0},
        {"ambiguous_loss": "threshold"},
        {"ambiguous_loss": "threshold", "ambiguous_share": 0.0},
        {"ambiguous_loss": "threshold", "class_shares": "dev"},
        {"ambiguous_weight": 0.3},
        {"precise_kept": 0.5},
        *({"oracle": name} for name in ("majority", "votes", "right_only", "prototypes", "shares")),
    ],
)
def test_every_setting_trains(choice, tmp_path):
    state = _refine(_config(**choice), make_part(), make_part(20, seed=5), tmp_path)
    assert all(torch.isfinite(tensor).all() for tensor in state.values() if tensor.is_floating_point())
    assert torch.allclose(state["memory.prototypes"].norm(dim=1), torch.ones(4), atol=1e-5)
    assert torch.allclose(state["memory.targets"].sum(1), torch.ones(60), atol=1e-5)


def test_frames_can_be_trained_on(tmp_path):
    shapes = Shapes(layers=1, dim=6, text_dim=0, classes=CLASSES)
    state = _refine(_config(), make_part(frames=True), make_part(20, seed=5, frames=True), tmp_path, shapes=shapes)
    assert torch.isfinite(state["memory.prototypes"]).all()
    several = Shapes(layers=2, dim=3, text_dim=0, classes=CLASSES)
    parts = make_part(frames=True), make_part(20, seed=5, frames=True)
    state = _refine(_config(), *parts, tmp_path / "all", shapes=several)
    assert torch.isfinite(state["memory.prototypes"]).all()


BLIND = (
    {},
    {"update": "soft", "assign_by": "classifier", "alignment": "uniform"},
    {"prototypes_from": "all", "key_encoder": "shared"},
    {"ambiguous_weight": 0.5, "precise_kept": 0.7},
    {"ambiguous_loss": "threshold"},
    {"ambiguous_loss": "threshold", "predict_by": "classifier_and_gaussian"},
    {"predict_by": "gaussian"},
    {"ambiguous_loss": "threshold", "class_shares": "dev"},
)


@pytest.mark.parametrize("choice", BLIND)
def test_withheld_references_and_votes_change_nothing(choice, tmp_path):
    train, dev = make_part(), make_part(20, seed=5)
    hidden = train.kind == 1
    rolled = torch.where(hidden, (train.hard + 1) % 4, train.hard)
    columns = torch.where(hidden[:, None], torch.tensor([3, 0, 1, 2]), torch.arange(4))  # (N, C)
    more = torch.where(hidden[:, None], 2 * train.counts.gather(1, columns), train.counts)
    other = dataclasses.replace(train, hard=rolled, soft=train.soft.gather(1, columns), counts=more)
    first = _refine(_config(**choice), train, dev, tmp_path / "1")
    second = _refine(_config(**choice), other, dev, tmp_path / "2")
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("oracle", ["majority", "votes", "right_only", "prototypes", "shares"])
def test_an_oracle_uses_withheld_references(oracle, tmp_path):
    train, dev = make_part(), make_part(20, seed=5)
    hidden = train.kind == 1
    # Only half of them: a permutation of all would keep the class shares.
    changed = hidden & (torch.arange(len(train)) < 30)
    soft = torch.where(changed[:, None], train.soft.roll(1, dims=1), train.soft)
    other = dataclasses.replace(train, hard=torch.where(changed, 2, train.hard), soft=soft)
    first = _refine(_config(oracle=oracle), train, dev, tmp_path / "1")
    second = _refine(_config(oracle=oracle), other, dev, tmp_path / "2")
    assert any(not torch.equal(first[name], second[name]) for name in first)


def test_changed_references_of_precise_utterances_change_the_training(tmp_path):
    train, dev = make_part(), make_part(20, seed=5)
    changed = torch.where(train.kind == 0, (train.hard + 1) % 4, train.hard)
    first = _refine(_config(), train, dev, tmp_path / "1")
    second = _refine(_config(), dataclasses.replace(train, hard=changed), dev, tmp_path / "2")
    assert not torch.equal(first["network.classifier.weight"], second["network.classifier.weight"])


def test_momentum_one_freezes_prototypes_and_keys(tmp_path):
    config, train, dev = _config(prototype_momentum=1.0, key_momentum=1.0), make_part(), make_part(20, seed=5)
    state = _refine(config, train, dev, tmp_path)
    learned = load_best(tmp_path / "a" / "best.safetensors")[0]
    assert torch.allclose(state["memory.prototypes"], learned["memory.prototypes"], atol=1e-6)
    assert torch.equal(state["key.classifier.weight"], learned["network.classifier.weight"])


def test_only_drawn_ambiguous_targets_move(tmp_path):
    train = make_part()
    state = _refine(_config(), train, make_part(20, seed=5), tmp_path)
    uniform = (state["memory.targets"] - 0.25).abs().sum(1) < 1e-6
    assert uniform[train.kind != 1].all()
    assert not uniform[train.kind == 1].any()


def test_targets_momentum_runs_from_first_to_last_over_both_phases():
    config, train, dev = _config(), make_part(), make_part(20, seed=5)
    longer = config.contrastive.model_copy(update={"epochs": 3})
    config = config.model_copy(update={"contrastive": longer})
    task = make_task("update", config, train, dev)
    assert [round(task.target_momentum(epoch), 6) for epoch in (1, 2)] == [0.9, 0.85]
    task = make_task("contrastive", config, train, dev)
    assert [round(task.target_momentum(epoch), 6) for epoch in (1, 2, 3)] == [0.8, 0.75, 0.7]


def test_a_class_without_a_precise_utterance_is_named():
    train = make_part()
    kind = torch.where((train.hard == 2) & (train.kind == 0), torch.ones_like(train.kind), train.kind)
    with pytest.raises(DataError, match="fold 3: no precise training utterance for angry; let more count as precise"):
        config = _config()
        make_task("prototypes", config, dataclasses.replace(train, kind=kind), train, fold=3)


def test_a_class_with_few_precise_utterances_gets_a_warning(caplog):
    config, train = _config(), make_part()
    kept = torch.nonzero((train.hard == 3) & (train.kind == 0)).flatten()[2:]
    few = dataclasses.replace(train, kind=train.kind.index_fill(0, kept, 1))
    make_task("prototypes", config, train, train, fold=2)
    assert not caplog.records
    make_task("prototypes", config, few, train, fold=2)
    assert "fold 2: few precise training utterances for sad (2)" in caplog.text


def test_features_too_large_to_measure_are_an_error():
    train = make_part()
    train.speech.fill_(3e38)  # their sum is infinite
    with pytest.raises(DataError, match="mean or deviation of the speech features in the training part is not finite"):
        make_task("prototypes", _config(), train, make_part(20, seed=5))


def test_a_fold_without_ambiguous_utterances_fails_before_training():
    train = make_part()
    none = dataclasses.replace(train, kind=torch.where(train.kind == 1, torch.full_like(train.kind, 2), train.kind))
    config = _config()
    with pytest.raises(DataError, match="fold 1: no ambiguous training utterance; let fewer count as precise"):
        make_task("prototypes", config, none, train)
    free = _config(ambiguous_share=0.0)
    task = make_task("update", free, none, train)
    assert set(task._agreement().values()) == {None}
