import math

import numpy as np
import pytest

from ambiser.labels.entropy import entropy_bits
from ambiser.scoring.conformal import SetRule, calibration_shares

APS = SetRule("aps", 0.9, False, 0.0, 0)


def test_nonconformity_is_the_mass_above_a_class_and_raps_adds_a_penalty_per_rank():
    probs = np.array([[0.2, 0.5, 0.3], [0.4, 0.4, 0.2]])
    assert APS.nonconformity(probs) == pytest.approx(np.array([[0.8, 0, 0.5], [0, 0.4, 0.8]]))
    raps = SetRule("raps", 0.9, False, 0.1, 1)
    assert raps.nonconformity(probs) == pytest.approx(np.array([[1.0, 0, 0.6], [0, 0.5, 1.0]]))


def test_thresholds_of_majorities_are_the_quantile_of_split_conformal_prediction():
    rng = np.random.default_rng(0)
    probs, labels = rng.dirichlet(np.ones(4), 57), rng.integers(0, 4, 57)
    scores = np.sort(APS.nonconformity(probs)[np.arange(57), labels])
    expected = scores[math.ceil(0.9 * 58) - 1]
    assert APS.thresholds(probs, np.eye(4)[labels]).tolist() == [pytest.approx(expected)] * 4


def test_thresholds_of_votes_are_the_limit_of_many_drawn_labels():
    """Monte-Carlo conformal prediction: m labels per utterance, the ceil(coverage m (n + 1))-th of m n scores."""
    rng = np.random.default_rng(1)
    probs, soft, m = rng.dirichlet(np.ones(4), 80), rng.multinomial(5, [0.4, 0.3, 0.2, 0.1], size=80) / 5, 4000
    scores = APS.nonconformity(probs)
    drawn = np.sort(np.concatenate([rng.choice(scores[i], m, p=soft[i]) for i in range(80)]))
    expected = drawn[math.ceil(0.9 * m * 81) - 1]
    assert APS.thresholds(probs, soft)[0] == pytest.approx(expected, abs=0.01)


def test_too_few_utterances_hold_every_class_and_the_least_number_is_enough():
    rng = np.random.default_rng(2)
    assert APS.least_utterances() == 9 and SetRule("aps", 0.5, False, 0, 0).least_utterances() == 1
    probs, shares = rng.dirichlet(np.ones(3), 9), np.eye(3)[rng.integers(0, 3, 9)]
    assert np.isfinite(APS.thresholds(probs, shares)).all()
    too_few = APS.thresholds(probs[:8], shares[:8])
    assert np.isinf(too_few).all() and APS.sets(probs, too_few).all()
    assert np.isinf(APS.thresholds(probs, np.zeros((9, 3)))).all(), "no utterance has a majority"


def test_sets_are_never_empty_and_hold_the_most_probable_classes_first():
    probs = np.array([[0.7, 0.2, 0.1], [0.35, 0.34, 0.31]])
    assert APS.sets(probs, np.full(3, -1.0)).sum(axis=1).tolist() == [1, 1]
    assert APS.sets(probs, np.full(3, 0.5)).tolist() == [[True, False, False], [True, True, False]]
    assert APS.sets(probs, np.array([0.0, 0.0, np.inf])).tolist() == [[True, False, True], [True, False, True]]


def _world(n, seed):
    """Draws distributions, five votes each, and a model that knows the distributions roughly."""
    rng = np.random.default_rng(seed)
    lean = rng.dirichlet(np.full(4, 0.5), n)
    counts = np.stack([rng.multinomial(5, row) for row in lean])
    probs = 0.9 * lean + 0.1 * rng.dirichlet(np.ones(4), n)
    top = counts.max(axis=1, keepdims=True)
    hard = np.where((counts == top).sum(axis=1) == 1, counts.argmax(axis=1), -1)
    return probs, counts / 5, hard


def test_majorities_undercover_ambiguous_utterances_and_votes_do_not():
    dev_probs, dev_soft, dev_hard = _world(2000, 3)
    probs, soft, _ = _world(4000, 4)
    ambiguous = entropy_bits(soft) > 0.95
    covered = {}
    for by in ("votes", "majority"):
        thresholds = APS.thresholds(dev_probs, calibration_shares(by, dev_soft, dev_hard))
        covered[by] = (APS.sets(probs, thresholds) * soft).sum(axis=1)
    assert covered["votes"].mean() == pytest.approx(0.9, abs=0.02)
    assert covered["votes"][ambiguous].mean() > 0.86
    assert covered["majority"].mean() < 0.87 and covered["majority"][ambiguous].mean() < 0.8


def test_one_threshold_per_class_covers_the_class_that_is_seldom_predicted():
    rng = np.random.default_rng(5)
    labels = rng.choice(3, 6000, p=[0.6, 0.35, 0.05])
    probs = rng.dirichlet(np.ones(3), 6000) * 0.5 + np.eye(3)[labels] * np.array([0.5, 0.5, 0.1])[labels][:, None]
    probs += np.array([0.2, 0.1, 0.0])
    probs /= probs.sum(axis=1, keepdims=True)
    held = {}
    for per_class in (False, True):
        rule = SetRule("aps", 0.9, per_class, 0.0, 0)
        sets = rule.sets(probs[3000:], rule.thresholds(probs[:3000], np.eye(3)[labels[:3000]]))
        held[per_class] = sets[labels[3000:] == 2, 2].mean()
    assert held[False] < 0.75 and held[True] > 0.84


def test_shares_of_the_majority_are_one_for_it_and_zero_without_one():
    shares = calibration_shares("majority", np.full((3, 2), 0.5), np.array([0, -1, 1]))
    assert shares.tolist() == [[1, 0], [0, 0], [0, 1]]
