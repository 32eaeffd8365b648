"""The Dirichlet objective against torch.distributions, worked numbers and gradcheck."""

import math

import pytest
import torch
from torch.distributions import Dirichlet, kl_divergence

from ambiser.losses.evidential import concentrations, misleading_evidence, vote_likelihood

COUNTS = torch.tensor([[3.0, 0.0, 0.0], [1.0, 1.0, 1.0], [2.0, 0.5, 0.5]], dtype=torch.float64)


def _alpha(seed: int = 0) -> torch.Tensor:
    return concentrations(torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)))


def test_likelihood_is_that_of_the_mean_vote_by_vote():
    alpha = _alpha()
    expected = []
    for counts, a in zip(COUNTS.tolist(), alpha.tolist(), strict=True):
        logs = [-n * math.log(x / sum(a)) for n, x in zip(counts, a, strict=True)]
        expected.append(sum(logs) / sum(counts))
    assert vote_likelihood(COUNTS, alpha).tolist() == pytest.approx(expected, abs=1e-12)


def test_misleading_evidence_is_the_divergence_from_a_flat_dirichlet():
    alpha = _alpha(1)
    shares = COUNTS / COUNTS.sum(1, keepdim=True)
    kept = shares + (1 - shares) * alpha
    expected = kl_divergence(Dirichlet(kept), Dirichlet(torch.ones_like(kept)))
    assert torch.allclose(misleading_evidence(COUNTS, alpha), expected, atol=1e-10)


def test_evidence_for_the_only_voted_class_is_not_penalized():
    right = torch.tensor([[50.0, 1.0, 1.0]], dtype=torch.float64)
    wrong = torch.tensor([[1.0, 50.0, 1.0]], dtype=torch.float64)
    assert misleading_evidence(COUNTS[:1], right).item() == pytest.approx(0, abs=1e-9)
    assert misleading_evidence(COUNTS[:1], wrong).item() > 1


@pytest.mark.parametrize("loss", [vote_likelihood, misleading_evidence])
def test_gradients_equal_finite_differences(loss):
    logits = torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2), requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: loss(COUNTS, concentrations(x)), (logits,))


def test_concentrations_are_above_one():
    assert (concentrations(torch.tensor([[-60.0, 0.0, 60.0]])) >= 1).all()
