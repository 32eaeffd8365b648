"""Divergences against scipy, worked numbers and gradcheck."""

import math

import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy as scipy_entropy

from ambiser.losses.divergence import DIVERGENCES, entropy, js_divergence, kl_divergence, soft_cross_entropy

Y = torch.tensor([[0.5, 0.5, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.1, 0.2, 0.3, 0.4]], dtype=torch.float64)


def _random_log_probs(rows: int = 3) -> torch.Tensor:
    return torch.randn(rows, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).log_softmax(1)


def test_jsd_equals_scipy_squared_distance():
    log_probs = _random_log_probs()
    expected = [jensenshannon(y, p) ** 2 for y, p in zip(Y.numpy(), log_probs.exp().numpy(), strict=True)]
    assert js_divergence(Y, log_probs).tolist() == pytest.approx(expected, abs=1e-12)


def test_kl_and_soft_cross_entropy_equal_scipy():
    log_probs = _random_log_probs()
    expected = [scipy_entropy(y, p) for y, p in zip(Y.numpy(), log_probs.exp().numpy(), strict=True)]
    assert kl_divergence(Y, log_probs).tolist() == pytest.approx(expected, abs=1e-12)
    with_entropy = [value + scipy_entropy(y) for value, y in zip(expected, Y.numpy(), strict=True)]
    assert soft_cross_entropy(Y, log_probs).tolist() == pytest.approx(with_entropy, abs=1e-12)
    assert entropy(Y).tolist() == pytest.approx([scipy_entropy(y) for y in Y.numpy()], abs=1e-12)


def test_soft_cross_entropy_of_one_hot_is_cross_entropy():
    logits = torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    labels = torch.tensor([0, 1, 2, 3, 0])
    one_hot = torch.nn.functional.one_hot(labels, 4).double()
    ours = soft_cross_entropy(one_hot, logits.log_softmax(1)).mean()
    assert ours.item() == pytest.approx(torch.nn.functional.cross_entropy(logits, labels).item(), abs=1e-14)


@pytest.mark.parametrize("measure", DIVERGENCES.values(), ids=list(DIVERGENCES))
def test_leading_dimensions_are_independent(measure):
    both = torch.stack([_random_log_probs(), _random_log_probs().flip(1)])  # (2, B, C)
    assert torch.equal(measure(Y, both), torch.stack([measure(Y, one) for one in both]))


def test_jsd_is_zero_at_equality_and_log_two_when_disjoint():
    assert js_divergence(Y[2:], Y[2:].log()).item() == pytest.approx(0, abs=1e-15)
    one_hot = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    almost_other = torch.tensor([[-80.0, 0.0]], dtype=torch.float64)
    assert js_divergence(one_hot, almost_other).item() == pytest.approx(math.log(2), abs=1e-9)


@pytest.mark.parametrize("name", sorted(DIVERGENCES))
def test_gradients_are_right_and_finite_for_one_hot_votes(name):
    logits = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3), requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: DIVERGENCES[name](Y, x.log_softmax(1)), (logits,))
    extreme = torch.tensor([[60.0, -60.0, 0.0, 0.0]] * 3, requires_grad=True)
    DIVERGENCES[name](Y.float(), extreme.log_softmax(1)).sum().backward()
    assert torch.isfinite(extreme.grad).all()
