"""Agreement and chances of no majority, against enumeration of all votes."""

import itertools

import numpy as np
import pytest

from ambiser.labels.expected_votes import expected_agreement, no_majority_chance


def by_enumeration(row: np.ndarray, raters: int) -> float:
    chance = 0.0
    for votes in itertools.product(range(len(row)), repeat=raters):
        counts = np.bincount(votes, minlength=len(row))
        chance += row[list(votes)].prod() * ((counts == counts.max()).sum() > 1)
    return chance


@pytest.mark.parametrize("classes", [2, 3, 4])
@pytest.mark.parametrize("raters", [1, 2, 3, 4, 5, 6])
def test_no_majority_is_the_share_of_all_votes_that_tie(classes, raters):
    probs = np.random.default_rng(classes).dirichlet(np.ones(classes), size=5)
    expected = [by_enumeration(row, raters) for row in probs]
    np.testing.assert_allclose(no_majority_chance(probs, raters), expected, atol=1e-12)


def test_certain_and_many_raters_have_a_majority():
    assert no_majority_chance(np.array([[1.0, 0.0]]), 5) == pytest.approx(0)
    assert no_majority_chance(np.array([[0.9, 0.1]]), 100)[0] < 1e-9
    assert no_majority_chance(np.full((1, 3), 1 / 3), 2)[0] == pytest.approx(2 / 3)


@pytest.mark.parametrize("raters", [0, 101])
def test_the_number_of_raters_is_bounded(raters):
    with pytest.raises(ValueError, match="raters: must be 1 to 100"):
        no_majority_chance(np.array([[0.5, 0.5]]), raters)


def test_agreement_is_the_share_of_equal_pairs():
    probs = np.random.default_rng(0).dirichlet(np.ones(4), size=3)
    pairs = [sum(a * b for i, a in enumerate(row) for j, b in enumerate(row) if i == j) for row in probs]
    np.testing.assert_allclose(expected_agreement(probs), pairs)
