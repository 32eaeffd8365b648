import numpy as np
import pytest
from scipy.special import xlogy

from ambiser.labels.entropy import entropy_bits


def test_it_is_the_entropy_of_scipy():
    shares = np.random.default_rng(0).dirichlet(np.full(5, 0.3), 1000)
    shares[:50, 2] = 0
    expected = -xlogy(shares, shares).sum(axis=1) / np.log(2)
    assert entropy_bits(shares) == pytest.approx(expected, abs=1e-10)
    assert entropy_bits(np.array([[1, 0, 0], [0.5, 0.5, 0]])).tolist() == [0, 1]


def test_equal_votes_in_another_order_tie():
    votes = np.array([1, 2, 3, 4, 5]) / 15
    assert len({entropy_bits(np.roll(votes, shift)[None])[0] for shift in range(5)}) == 1
