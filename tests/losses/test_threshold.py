"""The threshold likelihood against all possible votes, and its gradients."""

import itertools
import math

import pytest
import torch
from torch.autograd import gradcheck

from ambiser.losses.threshold import log_ambiguous, log_enough_votes

CASES = [(3, 2), (3, 3), (4, 3), (5, 4), (5, 5)]


def _count(probs: list[float], votes: int, needed: int) -> tuple[list[float], float]:
    """Adds up the probabilities of all C^n votes: by the class that gets K of them, and those where none does."""
    enough, ambiguous = [0.0] * len(probs), 0.0
    for ballot in itertools.product(range(len(probs)), repeat=votes):
        probability = math.prod(probs[c] for c in ballot)
        winner = [c for c in range(len(probs)) if ballot.count(c) >= needed]
        if winner:
            enough[winner[0]] += probability
        else:
            ambiguous += probability
    return enough, ambiguous


@pytest.mark.parametrize(("votes", "needed"), CASES)
def test_equals_the_sum_over_all_votes(votes, needed):
    probs = torch.tensor([[0.6, 0.3, 0.1], [0.98, 0.015, 0.005], [1 / 3, 1 / 3, 1 / 3]], dtype=torch.float64)
    enough = log_enough_votes(probs.log(), votes, needed).exp()
    ambiguous = log_ambiguous(probs.log(), votes, needed).exp()
    for row, some, none in zip(probs.tolist(), enough.tolist(), ambiguous.tolist(), strict=True):
        wanted = _count(row, votes, needed)
        assert some == pytest.approx(wanted[0], rel=1e-9)
        assert none == pytest.approx(wanted[1], rel=1e-9)


@pytest.mark.parametrize(("votes", "needed"), [*CASES, (9, 8)])
def test_classes_and_ambiguity_have_probability_one_together(votes, needed):
    log_probs = torch.randn(7, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).log_softmax(1)
    total = log_enough_votes(log_probs, votes, needed).exp().sum(1) + log_ambiguous(log_probs, votes, needed).exp()
    assert torch.allclose(total, torch.ones(7, dtype=torch.float64))


def test_gradients_are_those_of_the_formula():
    logits = torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2), requires_grad=True)
    assert gradcheck(lambda z: log_enough_votes(z.log_softmax(1), 9, 8), logits)
    assert gradcheck(lambda z: log_ambiguous(z.log_softmax(1), 9, 8), logits)


@pytest.mark.parametrize("gap", [20.0, 200.0, 2000.0])
def test_gradients_stay_finite_at_certainty_and_pull_an_ambiguous_utterance_back(gap):
    logits = torch.tensor([[gap, 0.0, -gap, 0.0]], requires_grad=True)
    log_enough_votes(logits.log_softmax(1), 9, 8).sum().backward()
    assert torch.isfinite(logits.grad).all()
    logits.grad = None
    (-log_ambiguous(logits.log_softmax(1), 9, 8)).sum().backward()
    assert torch.isfinite(logits.grad).all()
    assert logits.grad[0, 0] > 1.9  # two votes must go elsewhere: the slope is n - K + 1


def test_two_classes_where_ambiguity_is_impossible_give_a_finite_loss():
    logits = torch.tensor([[0.3, -0.2]], requires_grad=True)
    value = log_ambiguous(logits.log_softmax(1), 3, 2)
    value.sum().backward()
    assert value.item() < math.log(1e-5)
    assert torch.isfinite(logits.grad).all()
