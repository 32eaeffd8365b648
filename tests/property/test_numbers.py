"""Numbers at the edge: one utterance, one class, one speaker, 10,000 classes, denormals; each has a defined result."""

import json

import numpy as np
import pytest

from ambiser.io.records import to_json
from ambiser.labels.agreement import fleiss_kappa, krippendorff_alpha
from ambiser.scoring.calibration import fit_calibration
from ambiser.scoring.evaluation import evaluate
from ambiser.scoring.groups import Fold
from ambiser.scoring.metrics import score_all


def fold_of(probs, counts, speakers=None):
    counts = np.asarray(counts, float)
    top = counts.max(axis=1, keepdims=True)
    hard = np.where((counts == top).sum(axis=1) == 1, counts.argmax(axis=1), -1)
    names = np.array([f"u{i}" for i in range(len(counts))])
    soft = counts / counts.sum(axis=1, keepdims=True)
    return Fold(
        probs=np.asarray(probs, float),
        soft=soft,
        hard=hard,
        counts=counts,
        kind=np.zeros(len(counts), int),
        speakers=names if speakers is None else np.array(speakers),
        prior=soft.mean(axis=0),
        majority=0,
        utts=names,
    )


CASES = {
    "one utterance": ([[0.3, 0.7]], [[1, 2]]),
    "one class": ([[0.3, 0.7]] * 4, [[0, 3]] * 4),
    "no majority": ([[0.3, 0.7]] * 4, [[1, 1]] * 4),
    "one constant prediction": ([[0.5, 0.5]] * 4, [[1, 2], [2, 1], [3, 0], [0, 3]]),
    "zeros and ones": ([[1, 0], [0, 1], [1, 0]], [[0, 3], [3, 0], [3, 0]]),
    "denormals": ([[5e-324, 1.0], [1.0, 1e-310]], [[3, 0], [0, 3]]),
    "10,000 classes": (np.full((3, 10_000), 1e-4), np.eye(3, 10_000)),
}


@pytest.mark.parametrize("case", CASES)
def test_every_score_is_finite_or_none(case):
    fold = fold_of(*CASES[case])
    with np.errstate(all="raise", under="ignore"):
        scores = score_all(probs=fold.probs, soft=fold.soft, hard=fold.hard, counts=fold.counts, bins=10)
    assert all(value is None or np.isfinite(value) for value in scores.values())
    if case == "one class":
        assert scores["ua"] is None and scores["accuracy"] == 1
    if case == "no majority":
        assert scores["accuracy"] is None


@pytest.mark.parametrize("case", [case for case in CASES if "10,000" not in case])
@pytest.mark.parametrize("interval", ["percentile", "bca"])
@pytest.mark.parametrize("speakers", ["one speaker", "a speaker per utterance"])
def test_all_results_are_finite_or_none(case, interval, speakers):
    probs, counts = CASES[case]
    fold = fold_of(probs, counts, ["s"] * len(probs) if speakers == "one speaker" else None)
    with np.errstate(all="raise", under="ignore"):
        results = evaluate({1: fold}, bins=10, levels=[0.5], resamples=50, interval=interval)
    json.dumps(to_json(results), allow_nan=False)


@pytest.mark.parametrize("case", [case for case in CASES if "10,000" not in case])
@pytest.mark.parametrize("kind", ["temperature", "vector"])
@pytest.mark.parametrize("by", ["nll", "jsd"])
def test_calibration_stays_a_distribution(case, kind, by):
    fold = fold_of(*CASES[case])
    made = fit_calibration(kind, fold.probs, fold.soft, by).apply(fold.probs)
    assert np.isfinite(made).all()
    np.testing.assert_allclose(made.sum(axis=1), 1, atol=1e-9)


@pytest.mark.parametrize("counts", [[[1, 0]], [[3, 0]] * 3, [[0, 0]] * 3, np.zeros((0, 2))])
def test_agreement_is_nan_where_it_is_undefined(counts):
    with np.errstate(all="raise"):
        assert np.isnan(fleiss_kappa(np.array(counts))) and np.isnan(krippendorff_alpha(np.array(counts)))
