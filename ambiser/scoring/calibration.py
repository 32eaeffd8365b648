"""Calibration of probabilities after training: temperature and vector scaling, fitted on dev."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from ambiser.scoring.metrics import PROBABILITY_FLOOR


@dataclass(frozen=True)
class Calibration:
    """p' = softmax(scale log p + bias), with scale and bias (C,)."""

    scale: np.ndarray
    bias: np.ndarray

    def apply(self, probs: np.ndarray) -> np.ndarray:
        """Returns (N, C) calibrated probabilities."""
        return softmax(self.scale * _log(probs) + self.bias, axis=1)


def fit_calibration(kind: str, probs: np.ndarray, soft: np.ndarray) -> Calibration:
    """Minimizes the cross-entropy between votes and scaled prediction by L-BFGS.

    Args:
        kind: temperature (one positive scale for all classes, no bias) or vector (a scale and a bias a class).
        probs: (N, C) predicted for dev.
        soft: (N, C) voted for dev.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017; here against the votes, not the majority.
    """
    logs, classes = _log(probs), probs.shape[1]

    def loss(scale: np.ndarray, bias: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Returns the loss and its gradients for scale and bias."""
        log_probs = log_softmax(scale * logs + bias, axis=1)
        gap = (np.exp(log_probs) - soft) / len(soft)
        return -(soft * log_probs).sum() / len(soft), (gap * logs).sum(axis=0), gap.sum(axis=0)

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


def _log(probs: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probs, PROBABILITY_FLOOR))
