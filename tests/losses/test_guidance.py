"""The invariants of the objective of AmbER²."""

import dataclasses
import math
from typing import get_args

import pytest
import torch

from ambiser.config.training_keys import Amber
from ambiser.losses.divergence import DIVERGENCES, js_divergence
from ambiser.losses.guidance import WEIGHT_RULES, Objective, amber_loss, scheduled_weight, teacher_weights

RULES = sorted(WEIGHT_RULES)
OBJECTIVE = Objective(
    "AT",
    "jsd",
    "gt_divergence",
    temperature=0.1,
    guidance=0.5,
    teacher=1.0,
    agreement_gate=False,
    detach_teachers=True,
)
Y = torch.tensor([[0.7, 0.2, 0.1], [1.0, 0.0, 0.0], [0.4, 0.3, 0.3]], dtype=torch.float64)


def _logits(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def _heads(seed: int = 0) -> dict[str, torch.Tensor]:
    return {name: _logits(3, 3, seed=seed + i).log_softmax(1) for i, name in enumerate(("A", "T", "AT"))}


@pytest.mark.parametrize("rule", RULES)
def test_weights_sum_to_one_and_equal_teachers_weigh_the_same(rule):
    different = _logits(2, 3, 3).log_softmax(-1)
    assert torch.allclose(teacher_weights(rule, Y, different, 0.1).sum(0), torch.ones(3, dtype=torch.float64))
    same = different[:1].expand(2, 3, 3)
    assert torch.allclose(teacher_weights(rule, Y, same, 0.1), torch.full((2, 3), 0.5, dtype=torch.float64))


@pytest.mark.parametrize("rule", ["gt_divergence", "inverse_divergence"])
def test_the_better_teacher_weighs_more(rule):
    good = (Y * 0.98 + 0.02 / 3).log()
    bad = Y.flip(1).mul(0.98).add(0.02 / 3).log()
    weights = teacher_weights(rule, Y, torch.stack([good, bad]), 0.1)
    assert (weights[0, :2] > weights[1, :2]).all()


def test_gt_divergence_weights_of_a_worked_example():
    teachers = _logits(2, 3, 3).log_softmax(-1)
    weights = teacher_weights("gt_divergence", Y, teachers, 0.1)
    distance = [js_divergence(Y, t)[0].item() for t in teachers]
    first = math.exp(-distance[0] / 0.1) / (math.exp(-distance[0] / 0.1) + math.exp(-distance[1] / 0.1))
    assert weights[0, 0].item() == pytest.approx(first, abs=1e-12)


@pytest.mark.parametrize("student", ["A", "T", "AT"])
@pytest.mark.parametrize("divergence", sorted(DIVERGENCES))
def test_loss_equals_a_slow_loop(student, divergence):
    heads = _heads()
    settings = dataclasses.replace(
        OBJECTIVE, student=student, divergence=divergence, guidance=0.7, teacher=0.3, agreement_gate=True
    )
    loss, parts = amber_loss(Y, heads, settings)
    measure, expected = DIVERGENCES[divergence], 0.0
    teachers = [name for name in heads if name != student]
    assert sum(parts[f"weight_{name}"].item() for name in teachers) == pytest.approx(1)
    for i in range(3):
        y, row = Y[i : i + 1], {name: head[i : i + 1] for name, head in heads.items()}
        total = measure(y, row[student]).item()
        scores = [math.exp(-measure(y, row[t]).item() / 0.1) for t in teachers]
        gate = 1 - js_divergence(row["A"].exp(), row["T"]).item() / math.log(2)
        for t, score in zip(teachers, scores, strict=True):
            total += 0.7 * gate * score / sum(scores) * measure(row[t].exp(), row[student]).item()
            total += 0.3 * measure(y, row[t]).item()
        expected += total / 3
    assert loss.item() == pytest.approx(expected, abs=1e-10)


def test_guidance_sends_no_gradient_into_a_teacher():
    logits = {name: _logits(3, 3, seed=i).requires_grad_() for i, name in enumerate(("A", "T", "AT"))}
    heads = {name: value.log_softmax(1) for name, value in logits.items()}
    loss, parts = amber_loss(Y, heads, dataclasses.replace(OBJECTIVE, guidance=0.5, teacher=0.0))
    assert not any(part.requires_grad for part in parts.values()), "a log of the parts would keep the graph"
    loss.backward()
    assert logits["AT"].grad.abs().sum() > 0
    for name in ("A", "T"):
        assert logits[name].grad is None or logits[name].grad.abs().sum() == 0


def test_without_guidance_and_teachers_it_is_plain_jsd():
    heads = _heads()
    loss, _ = amber_loss(Y, heads, dataclasses.replace(OBJECTIVE, guidance=0.0, teacher=0.0))
    assert loss.item() == pytest.approx(js_divergence(Y, heads["AT"]).mean().item(), abs=1e-15)


def test_loss_is_zero_when_all_heads_predict_the_votes():
    y = Y[[0, 2]]
    loss, _ = amber_loss(y, {name: y.log() for name in ("A", "T", "AT")}, OBJECTIVE)
    assert loss.item() == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize("rule", RULES)
def test_the_gradient_of_the_whole_objective_equals_finite_differences(rule):
    # Weights and teachers are constants of the objective, so only the student's gradient is that of the value.
    settings = dataclasses.replace(OBJECTIVE, weights=rule, teacher=0.0)
    fixed = {"A": _logits(3, 3, seed=1).log_softmax(1), "T": _logits(3, 3, seed=2).log_softmax(1)}
    student = _logits(3, 3, seed=3).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: amber_loss(Y, {**fixed, "AT": x.log_softmax(1)}, settings)[0], (student,))


@pytest.mark.parametrize("divergence", sorted(DIVERGENCES))
def test_teachers_that_are_not_detached_get_the_gradient_of_the_guidance(divergence):
    settings = dataclasses.replace(
        OBJECTIVE, divergence=divergence, weights="uniform", teacher=0.0, detach_teachers=False
    )
    logits = [_logits(3, 3, seed=i).requires_grad_() for i in range(3)]

    def loss(a, t, at):
        heads = {"A": a.log_softmax(1), "T": t.log_softmax(1), "AT": at.log_softmax(1)}
        return amber_loss(Y, heads, settings)[0]

    assert torch.autograd.gradcheck(loss, logits)
    assert all(grad.abs().sum() > 0 for grad in torch.autograd.grad(loss(*logits), logits))


def test_a_teacher_that_is_not_available_weighs_nothing():
    teachers = _logits(2, 3, 3).log_softmax(-1)
    available = torch.tensor([[True, True, True], [True, False, True]])
    for rule in RULES:
        weights = teacher_weights(rule, Y, teachers, 0.1, available=available)
        assert weights[:, 1].tolist() == pytest.approx([1.0, 0.0])
        assert torch.allclose(weights.sum(0), torch.ones(3, dtype=torch.float64))


def test_without_words_head_t_is_neither_trained_nor_a_teacher():
    logits = {name: _logits(3, 3, seed=i).requires_grad_() for i, name in enumerate(("A", "T", "AT"))}
    heads = {name: value.log_softmax(1) for name, value in logits.items()}
    has_text = torch.tensor([True, False, True])
    loss, _ = amber_loss(Y, heads, OBJECTIVE, has_text=has_text)
    loss.backward()
    assert logits["T"].grad[1].abs().sum() == 0
    assert logits["T"].grad[0].abs().sum() > 0
    same, _ = amber_loss(Y, heads, OBJECTIVE, has_text=torch.ones(3, dtype=torch.bool))
    assert same.item() == pytest.approx(amber_loss(Y, heads, OBJECTIVE)[0].item(), abs=1e-15)


def test_importance_weighs_utterances():
    heads = _heads()
    alone = [
        amber_loss(Y[i : i + 1], {n: h[i : i + 1] for n, h in heads.items()}, OBJECTIVE)[0].item() for i in range(3)
    ]
    weighted, _ = amber_loss(Y, heads, OBJECTIVE, importance=torch.tensor([0.0, 1.0, 2.0]))
    assert weighted.item() == pytest.approx((alone[1] + 2 * alone[2]) / 3, abs=1e-12)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("constant", [0.8] * 5), ("rise", [0.0, 0.2, 0.4, 0.6, 0.8]), ("fall", [0.8, 0.6, 0.4, 0.2, 0.0])],
)
def test_schedules_of_a_worked_example(schedule, expected):
    assert [scheduled_weight(0.8, schedule, epoch, 5) for epoch in range(1, 6)] == pytest.approx(expected)
    assert scheduled_weight(0.8, schedule, 1, 1) == 0.8


@pytest.mark.parametrize(("key", "table"), [("divergence", DIVERGENCES), ("weights", WEIGHT_RULES)])
def test_configurations_offer_all_rows_of_the_tables(key, table):
    assert set(get_args(Amber.model_fields[key].annotation)) == table.keys()


def test_kl_and_soft_cross_entropy_have_equal_gradients():
    gradients = []
    for divergence in ("kl", "soft_ce"):
        logits = {name: _logits(3, 3, seed=i).requires_grad_() for i, name in enumerate(("A", "T", "AT"))}
        heads = {name: value.log_softmax(1) for name, value in logits.items()}
        amber_loss(Y, heads, dataclasses.replace(OBJECTIVE, divergence=divergence))[0].backward()
        gradients.append(torch.stack([value.grad for value in logits.values()]))
    assert torch.allclose(*gradients, atol=1e-12)


def test_a_confident_teacher_has_weight_one_and_a_uniform_one_almost_none():
    log_probs = torch.tensor([[1 - 3e-12, 1e-12, 1e-12, 1e-12], [0.25] * 4], dtype=torch.float64).log()
    weights = WEIGHT_RULES["confidence"](torch.zeros(2), log_probs, 1.0)
    assert weights.tolist() == pytest.approx([1, 0], abs=1e-4)
    assert weights[1] > 0
