"""Losses of attributes against their formulas."""

import numpy as np
import pytest
import torch

from ambiser.losses.attributes import concordance, spread_likelihood


def test_concordance_is_the_formula_of_lin():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=20), rng.normal(1, 2, size=20)
    expected = 2 * np.cov(x, y, ddof=0)[0, 1] / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)
    assert concordance(torch.from_numpy(x), torch.from_numpy(y)).item() == pytest.approx(expected, abs=1e-6)


def test_the_most_likely_spread_is_the_pooled_deviation_of_the_raters():
    variance, count = torch.tensor([1.0, 4.0]), torch.tensor([2.0, 4.0])
    log_spread = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_spread], max_iter=50)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = spread_likelihood(variance, log_spread.expand(2), count)
        loss.backward()
        return loss

    optimizer.step(closure)
    assert log_spread.exp().item() ** 2 == pytest.approx((1 * 1 + 3 * 4) / 4, rel=1e-3)


def test_gradients_are_exact():
    x = torch.randn(6, dtype=torch.float64, requires_grad=True)
    other = torch.randn(6, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda v: concordance(v, other), x)
    assert torch.autograd.gradcheck(lambda v: spread_likelihood(other**2, v, torch.full_like(other, 3)), x)
