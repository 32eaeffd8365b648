"""The scores of one class against scikit-learn, on resamples that are made by repeating utterances."""

import numpy as np
import pytest
from sklearn import metrics

from ambiser.scoring.class_scores import class_scores
from ambiser.scoring.utterance_scores import bhattacharyya, jsd_bits


@pytest.fixture
def scored():
    """Predictions, votes, hard labels (-1 for none) and speakers of 60 utterances."""
    rng = np.random.default_rng(5)
    soft = rng.multinomial(5, [0.5, 0.3, 0.2], size=60) / 5
    probs = 0.6 * soft + 0.4 * rng.dirichlet(np.ones(3), 60)
    top = np.sort(soft, axis=1)
    return probs, soft, np.where(top[:, -1] > top[:, -2], soft.argmax(axis=1), -1), np.arange(60) % 4


@pytest.mark.parametrize("label", [0, 1, 2])
def test_scores_of_a_resample_are_those_of_repeated_utterances(scored, label):
    probs, soft, hard, speaker = scored
    drawn = np.array([[1, 1, 1, 1], [2, 0, 1, 3]])
    found = class_scores(label, probs=probs, soft=soft, hard=hard, speaker=speaker, drawn=drawn)
    for row, times in enumerate(drawn):
        rows = np.repeat(np.arange(60), times[speaker])
        some = rows[hard[rows] >= 0]
        own, guessed = hard[some] == label, probs[some].argmax(axis=1) == label
        expected = {
            "recall": metrics.recall_score(own, guessed),
            "precision": metrics.precision_score(own, guessed),
            "f1": metrics.f1_score(own, guessed),
            "auroc": metrics.roc_auc_score(own, probs[some, label]),
            "bc": bhattacharyya(probs[some], soft[some])[own].mean(),
            "jsd_bits": jsd_bits(probs[some], soft[some])[own].mean(),
            "r2_determination": metrics.r2_score(soft[rows, label], probs[rows, label]),
        }
        assert {name: values[row] for name, values in found.items()} == pytest.approx(expected)


def test_votes_that_hardly_differ_have_a_coefficient_and_equal_ones_have_none():
    soft = np.array([[0.50, 0.50], [0.51, 0.49]])
    shared = {"probs": soft[::-1], "hard": np.array([-1, 0]), "speaker": np.array([0, 1])}
    found = class_scores(0, soft=soft, drawn=np.array([[1, 1], [2, 0]]), **shared)["r2_determination"]
    assert found[0] == pytest.approx(-3) and np.isnan(found[1])
