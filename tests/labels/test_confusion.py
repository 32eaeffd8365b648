"""Which classes raters confuse, against a loop over pairs of votes."""

import numpy as np
import pytest

from ambiser.labels.confusion import rater_confusion, smooth_by_confusion

COUNTS = np.array([[2, 1, 0, 0], [0, 3, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])


def test_counts_pairs_of_votes_of_an_utterance():
    pairs = np.zeros((4, 4))
    for row in COUNTS:
        votes = np.repeat(np.arange(4), row)
        for i, one in enumerate(votes):
            for j, other in enumerate(votes):
                if i != j:
                    pairs[one, other] += 1 / (len(votes) - 1)
    confusion = rater_confusion(COUNTS)
    assert np.allclose(confusion[:3], pairs[:3] / pairs[:3].sum(axis=1, keepdims=True))
    assert confusion[3].tolist() == [0, 0, 0, 1]  # its only vote has none beside it


def test_a_divided_vote_makes_no_negative_chance():
    confusion = rater_confusion(np.array([[0.5, 0.5, 1.0]]))
    assert (confusion >= 0).all()
    assert np.allclose(confusion.sum(axis=1), 1)


def test_half_a_vote_beside_one_weighs_as_much_as_a_whole_one():
    assert rater_confusion(np.array([[1, 0.5, 0], [1, 0, 1]]))[0] == pytest.approx([0, 0.5, 0.5])


def test_smoothing_moves_the_share_to_confused_classes():
    confusion = np.array([[0.5, 0.5, 0], [0.2, 0.8, 0], [0, 0, 1]])
    assert smooth_by_confusion(np.array([[1.0, 0, 0]]), confusion, 0.2)[0] == pytest.approx([0.9, 0.1, 0])
