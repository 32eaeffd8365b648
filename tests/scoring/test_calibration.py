import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, rel_entr, softmax

from ambiser.scoring.calibration import SCORES, Calibration, fit_calibration


@pytest.fixture
def sharp():
    """Votes, and predictions that are right on average but three times too sure of themselves."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 4))
    soft = np.stack([rng.multinomial(6, p) for p in softmax(logits, axis=1)]) / 6
    return softmax(3 * logits, axis=1), soft


def test_temperature_undoes_what_was_too_sure_and_is_the_best_one(sharp):
    probs, soft = sharp
    fitted = fit_calibration("temperature", probs, soft, "nll")
    assert fitted.scale == pytest.approx(np.full(4, 1 / 3), rel=0.06) and not fitted.bias.any()
    by_scan = minimize_scalar(lambda t: -(soft * log_softmax(np.log(probs) * t, axis=1)).sum(), bounds=(0.01, 5))
    assert fitted.scale[0] == pytest.approx(by_scan.x, rel=1e-3)
    assert (fitted.apply(probs).argmax(axis=1) == probs.argmax(axis=1)).all(), "the class does not change"
    assert fitted.apply(probs).sum(axis=1) == pytest.approx(np.ones(4000))


def test_vector_scaling_finds_scales_and_offsets_of_classes():
    rng = np.random.default_rng(1)
    logits = log_softmax(rng.normal(size=(60000, 3)), axis=1)
    truth, bias = np.array([0.5, 1.0, 1.5]), np.array([0.6, 0.0, -0.6])
    soft = softmax(truth * logits + bias, axis=1)
    fitted = fit_calibration("vector", np.exp(logits), soft, "nll")
    assert fitted.scale == pytest.approx(truth, abs=0.01) and fitted.bias == pytest.approx(bias, abs=0.01)


def test_probabilities_of_zero_stay_finite(sharp):
    probs, soft = np.eye(4)[[0, 1, 2, 3, 0]], np.eye(4)[[0, 1, 2, 3, 1]]
    for kind in ("temperature", "vector"):
        assert np.isfinite(fit_calibration(kind, probs, soft, "nll").apply(probs)).all()


def _jsd(soft: np.ndarray, probs: np.ndarray) -> float:
    mean = (soft + probs) / 2
    return float((rel_entr(soft, mean) + rel_entr(probs, mean)).sum() / 2 / len(soft))


def test_the_jsd_that_is_minimized_is_that_of_scipy_and_finite_where_a_probability_vanishes(sharp):
    probs, soft = sharp
    value, _ = SCORES["jsd"](np.log(probs), soft)
    assert value / len(soft) == pytest.approx(_jsd(soft, probs))
    value, gradient = SCORES["jsd"](np.array([[-1000.0, 0.0]]), np.array([[0.0, 1.0]]))
    assert value == pytest.approx(0) and np.isfinite(gradient).all()


def test_temperature_by_jsd_is_the_best_one_for_jsd_and_not_the_one_for_nll(sharp):
    probs, soft = sharp
    fitted = fit_calibration("temperature", probs, soft, "jsd")
    by_scan = minimize_scalar(lambda t: _jsd(soft, softmax(t * np.log(probs), axis=1)), bounds=(0.01, 5))
    assert fitted.scale[0] == pytest.approx(by_scan.x, rel=1e-3)
    other = fit_calibration("temperature", probs, soft, "nll")
    assert _jsd(soft, fitted.apply(probs)) < _jsd(soft, other.apply(probs)) - 1e-5


def test_vector_scaling_by_jsd_ends_where_no_step_lowers_it(sharp):
    probs, soft = sharp
    fitted = fit_calibration("vector", probs, soft, "jsd")
    best = _jsd(soft, fitted.apply(probs))
    for step in (-0.02, 0.02):
        for c in range(4):
            moved = np.eye(4)[c] * step
            assert best < _jsd(soft, Calibration(fitted.scale + moved, fitted.bias).apply(probs))
            assert best < _jsd(soft, Calibration(fitted.scale, fitted.bias + moved).apply(probs))


def test_it_is_applied_by_the_softmax_of_scipy(sharp):
    probs, _ = sharp
    scale, bias = np.array([0.5, 1.0, 2.0, 100.0]), np.array([0.6, 0.0, -0.6, 50.0])
    expected = softmax(scale * np.log(np.maximum(probs, 1e-8)) + bias, axis=1)
    np.testing.assert_array_equal(Calibration(scale, bias).apply(probs), expected)


def test_one_hot_votes_and_probabilities_stay_finite_by_jsd():
    probs, soft = np.eye(4)[[0, 1, 2, 3, 0]], np.eye(4)[[0, 1, 2, 3, 1]]
    for kind in ("temperature", "vector"):
        assert np.isfinite(fit_calibration(kind, probs, soft, "jsd").apply(probs)).all()
