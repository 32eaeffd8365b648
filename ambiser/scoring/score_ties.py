"""Turns a distribution into its most probable class, where tied classes share the prediction."""

import numpy as np


def predicted_classes(probs: np.ndarray) -> np.ndarray:
    """Returns (N, C) rows with 1 for the most probable class; k tied classes get 1 / k each."""
    top = (probs >= probs.max(axis=1, keepdims=True)).astype(float)
    return top / top.sum(axis=1, keepdims=True)
