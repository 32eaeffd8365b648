"""Class weights against the formula written out."""

import pytest
import torch

from ambiser.losses.balance import class_weights, utterance_weights


def test_weights_are_inverse_effective_numbers_that_sum_to_the_number_of_classes():
    counts = torch.tensor([[3.0, 0.0, 0.0]] * 6 + [[0.0, 2.0, 1.0]] * 2, dtype=torch.float64)
    beta = 7 / 8
    raw = [(1 - beta) / (1 - beta**votes) for votes in (18, 4, 2)]
    expected = [3 * weight / sum(raw) for weight in raw]
    assert class_weights(counts).tolist() == pytest.approx(expected, abs=1e-12)


def test_rarer_classes_weigh_more_and_a_class_without_votes_stays_finite():
    weights = class_weights(torch.tensor([[9.0, 1.0, 0.0]] * 5))
    assert weights[0] < weights[1] < weights[2]
    assert torch.isfinite(weights).all()


def test_an_utterance_has_the_mean_class_weight_of_its_votes():
    weights = torch.tensor([1.0, 3.0])
    assert utterance_weights(torch.tensor([[0.5, 0.5], [0.0, 1.0]]), weights).tolist() == [2.0, 3.0]


def test_a_class_without_votes_has_the_weight_of_a_class_with_one_vote():
    weights = class_weights(torch.tensor([[9.0, 1.0, 0.0], [9.0, 0.0, 0.0]]))
    assert weights[2] == weights[1] > weights[0]
