import math

import numpy as np
import pytest

from ambiser.labels.dawid_skene import dawid_skene


def made_votes(n_items=300, raters=8, n_classes=3, seed=0):
    """Votes of good raters, and of the last one, who says what is not so."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, n_classes, n_items)
    rows = []
    for item in range(n_items):
        for rater in rng.choice(raters, 4, replace=False):
            right = rng.random() < (0.05 if rater == raters - 1 else 0.75)
            label = truth[item] if right else (truth[item] + rng.integers(1, n_classes)) % n_classes
            rows.append((item, rater, label))
    return truth, *np.array(rows).T


def slow(rows, n_items, n_classes, iterations):
    """The definition, one vote at a time."""
    votes = [[row for row in rows if row[0] == i] for i in range(n_items)]
    posterior = [[sum(row[2] == k for row in v) / len(v) for k in range(n_classes)] for v in votes]
    for _ in range(iterations):
        prior = [sum(p[k] for p in posterior) / n_items for k in range(n_classes)]
        confusion = {}
        for rater in {row[1] for row in rows}:
            for k in range(n_classes):
                said = [sum(posterior[i][k] for i, r, x in rows if r == rater and x == m) for m in range(n_classes)]
                confusion[rater, k] = [s / max(sum(said), 1e-10) for s in said]
        for i in range(n_items):
            score = [
                prior[k] * math.prod(max(confusion[r, k][x], 1e-10) for _, r, x in votes[i]) for k in range(n_classes)
            ]
            posterior[i] = [s / sum(score) for s in score]
    return np.array(posterior)


def test_it_equals_a_slow_loop():
    _, item, rater, label = made_votes(20, 5)
    rows = list(zip(item.tolist(), rater.tolist(), label.tolist(), strict=True))
    for iterations in (1, 5):
        fast = dawid_skene(item, rater, label, n_items=20, n_classes=3, iterations=iterations, tolerance=0)
        np.testing.assert_allclose(fast, slow(rows, 20, 3, iterations), atol=1e-9)


def test_it_finds_the_truth_better_than_the_majority():
    truth, item, rater, label = made_votes()
    posterior = dawid_skene(item, rater, label, n_items=300, n_classes=3)
    counts = np.bincount(item * 3 + label, minlength=900).reshape(300, 3)
    best = counts == counts.max(axis=1, keepdims=True)
    majority = (best[np.arange(300), truth] / best.sum(axis=1)).mean()
    assert (posterior.argmax(axis=1) == truth).mean() > majority + 0.03
    assert posterior.sum(axis=1) == pytest.approx(1)


def test_names_of_raters_and_empty_items_do_not_matter():
    _, item, rater, label = made_votes(50)
    base = dawid_skene(item, rater, label, n_items=50, n_classes=3)
    other = dawid_skene(item, rater * 1000 + 7, label, n_items=51, n_classes=3)
    np.testing.assert_allclose(other[:50], base)
    assert other[50].sum() == pytest.approx(1)
    empty = np.zeros(0, np.int64)
    assert dawid_skene(empty, empty, empty, n_items=2, n_classes=4) == pytest.approx(0.25)
