"""Calibrates probabilities after training: temperature and vector scaling, fitted on dev."""

from dataclasses import dataclass

import numpy as np

from ambiser.scoring.utterance_scores import PROBABILITY_FLOOR


@dataclass(frozen=True)
class Calibration:
    """p' = softmax(scale log p + bias), with scale and bias (C,)."""

    scale: np.ndarray
    bias: np.ndarray

    def apply(self, probs: np.ndarray) -> np.ndarray:
        """Returns (N, C) calibrated probabilities."""
        logits = self.scale * _log(probs) + self.bias
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)


def fit_calibration(kind: str, probs: np.ndarray, soft: np.ndarray, by: str) -> Calibration:
    """Minimizes a score of the scaled prediction against the votes by L-BFGS, from no scaling on.

    Args:
        kind: temperature (one positive scale for all classes, no bias) or vector (a scale and a bias a class).
        probs: (N, C) predicted for dev.
        soft: (N, C) voted for dev.
        by: the score: nll (cross-entropy), or jsd, which is not convex.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017; here against the votes, not the majority.
    """
    from scipy.optimize import minimize  # slow to import, and predictions only apply what was fitted
    from scipy.special import log_softmax

    logs, classes = _log(probs), probs.shape[1]

    def loss(scale: np.ndarray, bias: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Returns the loss and its gradients for scale and bias."""
        value, gap = SCORES[by](log_softmax(scale * logs + bias, axis=1), soft)
        gap = gap / len(soft)
        return value / len(soft), (gap * logs).sum(axis=0), gap.sum(axis=0)

    def temperature(x: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss of a common scale exp(x), which is never negative."""
        value, by_scale, _ = loss(np.exp(x) * np.ones(classes), np.zeros(classes))
        return value, np.exp(x) * by_scale.sum()

    def vector(x: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss of scales and biases, one after the other."""
        value, *gradients = loss(x[:classes], x[classes:])
        return value, np.concatenate(gradients)

    if kind == "temperature":
        (x,) = minimize(temperature, np.zeros(1), jac=True, method="L-BFGS-B", bounds=[(-7, 7)]).x
        return Calibration(np.full(classes, np.exp(x)), np.zeros(classes))
    start = np.concatenate([np.ones(classes), np.zeros(classes)])
    x = minimize(vector, start, jac=True, method="L-BFGS-B", bounds=[(-100, 100)] * (2 * classes)).x
    return Calibration(x[:classes], x[classes:] - x[classes:].mean())


def _cross_entropy(log_probs: np.ndarray, soft: np.ndarray) -> tuple[float, np.ndarray]:
    """Returns the summed cross-entropy of (N, C) and its gradient (N, C) for the logits."""
    return -(soft * log_probs).sum(), np.exp(log_probs) - soft


def _divergence(log_probs: np.ndarray, soft: np.ndarray) -> tuple[float, np.ndarray]:
    """Returns the summed Jensen-Shannon divergence in nats of (N, C) and its gradient (N, C) for the logits."""
    from scipy.special import xlogy

    probs = np.exp(log_probs)
    log_mean = np.log((probs + soft) / 2 + np.finfo(float).tiny)
    ratio = probs * (log_probs - log_mean)
    value = (xlogy(soft, soft) - soft * log_mean + ratio).sum() / 2
    return value, (ratio - probs * ratio.sum(axis=1, keepdims=True)) / 2


SCORES = {"nll": _cross_entropy, "jsd": _divergence}
"""By the values of `score.calibration_by`."""


def _log(probs: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probs, PROBABILITY_FLOOR))
