"""Computes scores that know how far apart two classes are: Wasserstein and normalized absolute distance."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ambiser.scoring.score_ties import predicted_classes

_ROWS = 4096  # (rows, potentials) is the largest array: 48,620 potentials for ten classes


@dataclass(frozen=True)
class GroundDistance:
    """Distances between C classes, scaled so that the largest is 1.

    Attributes:
        distances: (C, C), symmetric, 0 on the diagonal.
        potentials: (V, C) vertices of the set of all f with f_i - f_j <= distance of i and j and f of the last class 0.
    """

    distances: np.ndarray
    potentials: np.ndarray

    def wasserstein(self, probs: np.ndarray, soft: np.ndarray) -> np.ndarray:
        """Returns (N,) Wasserstein-1 distances between the rows of two (N, C), 0 to 1.

        By duality the distance is the largest sum over classes of f (p - y) over all f that change between two classes
        by at most their distance; the maximum is at a vertex, so that it is exact.
        """
        gap = probs - soft
        parts = [(gap[i : i + _ROWS] @ self.potentials.T).max(axis=1) for i in range(0, len(gap), _ROWS)]
        return np.maximum(np.concatenate(parts), 0.0) if parts else np.zeros(0)

    def absolute(self, probs: np.ndarray, soft: np.ndarray) -> np.ndarray:
        """Returns (N,) mean distances between the predicted class and the votes, 0 to 1; ties as in `score_ties`."""
        return ((predicted_classes(probs) @ self.distances) * soft).sum(axis=1)


def ground_distance(positions: Mapping[str, Sequence[float]], classes: Sequence[str]) -> GroundDistance | None:
    """Returns the Euclidean distances between positions of classes, or None without positions.

    Args:
        positions: by class, coordinates such as valence and arousal; no two classes have the same.
        classes: in the order of the columns.
    """
    if not positions:
        return None
    points = np.array([positions[name] for name in classes], dtype=float)  # (C, K)
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    distances /= distances.max()
    return GroundDistance(distances, _vertices(distances))


def _vertices(distances: np.ndarray) -> np.ndarray:
    """Returns the (V, C) vertices of {f: f_i - f_j <= distances[i, j], last f = 0}."""
    from scipy.spatial import HalfspaceIntersection  # slow to import, and needed only with positions

    classes = len(distances)
    if classes == 2:
        return np.array([[distances[0, 1], 0.0], [-distances[0, 1], 0.0]])
    pairs = list(itertools.permutations(range(classes), 2))
    rows = np.zeros((len(pairs), classes + 1))
    for row, (i, j) in zip(rows, pairs, strict=True):
        row[i], row[j], row[-1] = 1, -1, -distances[i, j]
    halfspaces = np.delete(rows, classes - 1, axis=1)  # the last class has potential 0
    vertices = HalfspaceIntersection(halfspaces, np.zeros(classes - 1)).intersections
    vertices = np.unique(vertices.round(12), axis=0)
    return np.concatenate([vertices, np.zeros((len(vertices), 1))], axis=1)
