import math

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.stats import wasserstein_distance

from ambiser.scoring.ground_distance import ground_distance
from ambiser.scoring.utterance_scores import utterance_scores


def _transport(distances, a, b):
    """The least cost of moving a to b, by linear programming over all flows."""
    n = len(a)
    leaves, arrives = np.kron(np.eye(n), np.ones(n)), np.kron(np.ones(n), np.eye(n))
    return linprog(distances.ravel(), A_eq=np.vstack([leaves, arrives]), b_eq=np.concatenate([a, b])).fun


@pytest.mark.parametrize(("classes", "dimensions"), [(2, 1), (3, 2), (5, 2), (6, 3)])
def test_wasserstein_distance_equals_the_optimal_transport(classes, dimensions):
    rng = np.random.default_rng(classes)
    names = [f"class{i}" for i in range(classes)]
    ground = ground_distance({name: rng.normal(size=dimensions).tolist() for name in reversed(names)}, names)
    probs, soft = rng.dirichlet(np.ones(classes), 12), rng.dirichlet(np.full(classes, 0.3), 12)
    expected = [_transport(ground.distances, p, y) for p, y in zip(probs, soft, strict=True)]
    assert ground.distances.max() == 1
    assert ground.wasserstein(probs, soft) == pytest.approx(np.array(expected), abs=1e-9)


def test_wasserstein_distance_on_a_line_equals_scipy_and_equal_distances_equal_total_variation():
    rng = np.random.default_rng(0)
    probs, soft = rng.dirichlet(np.ones(4), 20), rng.dirichlet(np.ones(4), 20)
    places = [0.0, 1.0, 2.5, 4.0]
    line = ground_distance({name: [x] for name, x in zip("abcd", places, strict=True)}, list("abcd"))
    expected = [wasserstein_distance(places, places, p, y) / 4 for p, y in zip(probs, soft, strict=True)]
    assert line.wasserstein(probs, soft) == pytest.approx(np.array(expected))
    equal = ground_distance({name: np.eye(4)[i].tolist() for i, name in enumerate("abcd")}, list("abcd"))
    total_variation = np.abs(probs - soft).sum(axis=1) / 2
    assert equal.wasserstein(probs, soft) == pytest.approx(total_variation)


def test_absolute_distance_is_the_mean_over_votes_as_in_lewidi():
    ground = ground_distance({"a": [-5.0], "b": [0.0], "c": [5.0]}, ["a", "b", "c"])
    probs, soft = np.array([[0.5, 0.3, 0.2], [0.4, 0.2, 0.4]]), np.array([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]])
    # ratings -5 -5 0 5 against the prediction -5: |0| |0| |5| |10| over the range 10; a tie of -5 and 5 against -5
    assert ground.absolute(probs, soft).tolist() == pytest.approx([(0 + 0 + 0.5 + 1) / 4, 0.5])
    scores = utterance_scores(probs, soft, ground)
    assert scores["absolute_distance"].tolist() == ground.absolute(probs, soft).tolist()
    assert scores["wasserstein"][1] == pytest.approx(0.2 * 0.5 + 0.4)


def test_ten_classes_are_exact_and_none_give_none():
    angles = 2 * math.pi * np.arange(10) / 10
    names = [f"class{i}" for i in range(10)]
    assert ground_distance({}, names) is None
    ring = ground_distance({n: [math.cos(a), math.sin(a)] for n, a in zip(names[:7], angles, strict=False)}, names[:7])
    one, two = np.eye(7)[:1], np.eye(7)[3:4]
    assert ring.wasserstein(one, two) == pytest.approx(ring.distances[0, 3])
