"""Computes the scores that are means over utterances, one value per utterance.

Arrays: probs (N, C) predicted and soft (N, C) voted distributions, rows that sum to 1.
"""

import numpy as np

from ambiser.scoring.ground_distance import GroundDistance
from ambiser.scoring.score_ties import predicted_classes

PROBABILITY_FLOOR = 1e-8
"""A predicted probability below this counts as this in logarithms: the tables of predictions hold eight digits."""
R2_EPSILON = 1e-10


def utterance_scores(
    probs: np.ndarray, soft: np.ndarray, ground: GroundDistance | None = None
) -> dict[str, np.ndarray]:
    """Returns the (N,) values of the scores that are means over utterances.

    Args:
        probs, soft: as in the head of this module.
        ground: distances between classes; None: 1 between any two.
    """
    values = {name: function(probs, soft) for name, function in UTTERANCE_SCORES.items()}
    if ground is None:
        return values | {"wasserstein": values["total_variation"], "absolute_distance": values["error_rate"]}
    return values | {"wasserstein": ground.wasserstein(probs, soft), "absolute_distance": ground.absolute(probs, soft)}


def bhattacharyya(probs: np.ndarray, soft: np.ndarray) -> np.ndarray:
    """Returns (N,) sum over classes of sqrt(y p); 1 when the two agree, 0 when they share no class."""
    return np.sqrt(soft * probs).sum(axis=1)


def jsd_nats(probs: np.ndarray, soft: np.ndarray) -> np.ndarray:
    """Returns (N,) Jensen-Shannon divergences in nats: (KL(y||m) + KL(p||m)) / 2 with m = (y + p) / 2."""
    middle = (probs + soft) / 2
    return np.maximum((_relative_entropy(soft, middle) + _relative_entropy(probs, middle)).sum(axis=1) / 2, 0.0)


def jsd_bits(probs: np.ndarray, soft: np.ndarray) -> np.ndarray:
    """Returns (N,) Jensen-Shannon divergences in bits, 0 to 1."""
    return jsd_nats(probs, soft) / np.log(2)


def kl_nats(probs: np.ndarray, soft: np.ndarray) -> np.ndarray:
    """Returns (N,) KL(y||p) in nats, with p at least PROBABILITY_FLOOR so that one zero does not swallow the mean."""
    return _relative_entropy(soft, np.maximum(probs, PROBABILITY_FLOOR)).sum(axis=1)


def r2_pearson(probs: np.ndarray, soft: np.ndarray) -> np.ndarray:
    """Returns (N,) cov(y, p)^2 / (var y var p + 1e-10) over the C classes, with divisor C; blind to the sign."""
    y = soft - soft.mean(axis=1, keepdims=True)
    p = probs - probs.mean(axis=1, keepdims=True)
    return (y * p).mean(axis=1) ** 2 / ((y**2).mean(axis=1) * (p**2).mean(axis=1) + R2_EPSILON)


def cosine(probs: np.ndarray, soft: np.ndarray) -> np.ndarray:
    """Returns (N,) cosines of the angle between y and p, 0 to 1."""
    return (soft * probs).sum(axis=1) / np.sqrt((soft**2).sum(axis=1) * (probs**2).sum(axis=1))


def error_rate(probs: np.ndarray, soft: np.ndarray) -> np.ndarray:
    """Returns (N,) shares of the votes that are not for the predicted class: one prediction for all raters.

    Tied classes count as the mean over them.

    Source: LeWiDi 2025 (arXiv 2510.08460), average error rate.
    """
    return 1 - (predicted_classes(probs) * soft).sum(axis=1)


def _relative_entropy(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns x ln(x / y) element by element; 0 where x is 0."""
    from scipy.special import rel_entr  # slow to import, and a prediction with one head needs no divergence

    return rel_entr(x, y)


UTTERANCE_SCORES = {
    "bc": bhattacharyya,
    "jsd_bits": jsd_bits,
    "jsd_nats": jsd_nats,
    "sqrt_jsd_bits": lambda probs, soft: np.sqrt(jsd_bits(probs, soft)),
    "kl_nats": kl_nats,
    "total_variation": lambda probs, soft: np.abs(soft - probs).sum(axis=1) / 2,
    "brier": lambda probs, soft: ((soft - probs) ** 2).sum(axis=1),
    "cosine": cosine,
    "error_rate": error_rate,
    "r2_pearson": r2_pearson,
}
