"""The class-share loss against a loop over utterances, and its gradient."""

import math

import pytest
import torch
from torch.autograd import gradcheck

from ambiser.losses.class_shares import class_share_loss

WANTED, MEAN = [0.5, 0.3, 0.2], [0.2, 0.2, 0.6]


def _probs(rows: int = 4) -> torch.Tensor:
    return torch.randn(rows, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(4)).softmax(1)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_equals_a_loop_over_utterances(momentum):
    probs = _probs()
    loss, moved = class_share_loss(probs, torch.tensor(WANTED).double(), torch.tensor(MEAN).double(), momentum)
    expected = 0.0
    for label in range(3):
        batch = sum(row[label] for row in probs.tolist()) / 4
        mean = momentum * MEAN[label] + (1 - momentum) * batch
        assert moved[label].item() == pytest.approx(mean, rel=1e-6)
        expected -= WANTED[label] * math.log(mean) / (1 - momentum)
    assert loss.item() == pytest.approx(expected, rel=1e-6)
    assert not moved.requires_grad


def test_a_class_that_is_never_predicted_costs_a_finite_loss():
    probs = torch.tensor([[1.0, 0.0]], requires_grad=True)
    loss, _ = class_share_loss(probs, torch.tensor([0.5, 0.5]), torch.tensor([1.0, 0.0]), 0.5)
    loss.backward()
    assert loss.item() == pytest.approx(math.log(1e6)) and torch.isfinite(probs.grad).all()


def test_the_gradient_is_that_of_the_formula_and_does_not_shrink_with_the_momentum():
    logits = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(5), requires_grad=True)
    wanted, mean = torch.tensor(WANTED).double(), torch.tensor(MEAN).double()
    assert gradcheck(lambda z: class_share_loss(z.softmax(1), wanted, mean, 0.9)[0], logits)
    settled = _probs().mean(dim=0)  # where the running mean is that of the batch, every momentum has one gradient
    slopes = []
    for momentum in (0.0, 0.9):
        probs = _probs().requires_grad_()
        class_share_loss(probs, wanted, settled, momentum)[0].backward()
        slopes.append(probs.grad)
    assert torch.allclose(*slopes)
