from dataclasses import replace

import numpy as np
import pytest

from ambiser.scoring import references
from ambiser.scoring.ground_distance import ground_distance
from ambiser.scoring.human import Answers
from ambiser.scoring.references import Labels, score_references


@pytest.fixture
def labels(votes_and_predictions):
    """Labels of 40 utterances with answers of single raters."""
    arrays = votes_and_predictions(40)
    probs = arrays.pop("probs")
    human = Answers(probs=probs, **arrays, row=np.arange(40))
    prior = np.repeat(arrays["soft"].mean(axis=0, keepdims=True), 40, axis=0)
    return Labels(**arrays, prior=prior, majority=np.zeros(40, dtype=int), human=human, bins=10, ground=None)


def test_systems_with_the_same_labels_share_their_references(labels, monkeypatch):
    mask = np.arange(40) < 30
    first = score_references(labels, mask)
    again = replace(labels, soft=labels.soft.copy(), human=replace(labels.human, probs=labels.human.probs.copy()))
    monkeypatch.setattr(references, "score_all", None)
    assert score_references(again, mask) is first


@pytest.mark.parametrize(
    "change",
    [
        lambda one: {"prior": np.roll(one.prior, 1, axis=1)},
        lambda one: {"majority": one.majority + 1},
        lambda one: {"counts": one.counts * 2},
        lambda one: {"bins": 5},
        lambda one: {"human": None},
        lambda one: {"human": replace(one.human, hard=np.roll(one.human.hard, 1))},
        lambda one: {"ground": ground_distance({"a": [0], "b": [1], "c": [2], "d": [4]}, "abcd")},
    ],
)
def test_other_labels_or_utterances_are_scored_anew(labels, change):
    mask = np.arange(40) < 30
    before = score_references(labels, mask)
    assert score_references(replace(labels, **change(labels)), mask) is not before
    assert score_references(labels, ~mask) is not before
