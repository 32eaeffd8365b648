"""Ranks utterances by the expected gain of one more rater for the distribution of votes, and simulates the order.

The distribution of an utterance is modeled as a Dirichlet around the prediction; votes are drawn from it. The strength
of the prior says how many votes a prediction is worth: it is fitted to the votes, and falls where the members of an
ensemble disagree.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

_FLOOR = 1e-8
_LEAST, _MOST = 0.05, 1000.0
"""Bounds of the strength: a prediction is worth at least a twentieth of a vote."""


@dataclass(frozen=True)
class Beliefs:
    """What is believed of N utterances.

    Attributes:
        probs: (N, C) predicted.
        strength: (N,) votes that the prediction is worth.
    """

    probs: np.ndarray
    strength: np.ndarray

    def estimate(self, counts: np.ndarray) -> np.ndarray:
        """Returns (N, C) expected distributions after votes (N, C): the prediction and the vote shares, weighted."""
        alpha = self.strength[:, None] * self.probs + counts
        return alpha / alpha.sum(axis=1, keepdims=True)

    def gains(self, counts: np.ndarray) -> np.ndarray:
        """Returns (N,) expected falls of the squared error of `estimate` by one more vote.

        With m the estimate and A the strength plus the number of votes, the estimate moves by (vote - m) / (A + 1), so
        that its variance, by which the error falls, is (1 - sum of m²) / (A + 1)².
        """
        total = self.strength + counts.sum(axis=1)
        return (1 - (self.estimate(counts) ** 2).sum(axis=1)) / (total + 1) ** 2


def believe(members: np.ndarray, counts: np.ndarray) -> Beliefs:
    """Returns the beliefs of an ensemble, fitted to the votes that there are.

    With v the variance of the members' probabilities, summed over classes, and s the strength that all utterances
    share, an utterance's strength is that of a Dirichlet with variance (1 - sum of p²) / (s + 1) + v.

    Args:
        members: (M, N, C) predicted by each member; one member has no variance.
        counts: (N, C) votes so far; utterances without any do not count for the fit.
    """
    probs = members.mean(axis=0)
    spread, variance = 1 - (probs**2).sum(axis=1), members.var(axis=0).sum(axis=1)
    shared = fit_strength(probs, counts)
    strength = spread / np.maximum(spread / (shared + 1) + variance, _FLOOR) - 1
    return Beliefs(probs, np.clip(strength, _LEAST, _MOST))


def fit_strength(probs: np.ndarray, counts: np.ndarray) -> float:
    """Returns the strength under which the votes are most likely: Dirichlet-multinomial around the predictions.

    Args:
        probs: (N, C) predicted.
        counts: (N, C) votes.
    """
    from scipy.optimize import minimize_scalar  # slow to import

    voted = counts.sum(axis=1) > 0
    floored, votes = np.maximum(probs[voted], _FLOOR), counts[voted]
    total = votes.sum(axis=1)

    def loss(log_strength: float) -> float:
        """Returns the negative log-likelihood without what does not depend on the strength."""
        alpha = np.exp(log_strength) * floored
        whole = alpha.sum(axis=1)
        inner = (gammaln(alpha + votes) - gammaln(alpha)).sum(axis=1)
        return -float((gammaln(whole) - gammaln(whole + total) + inner).sum())

    found = minimize_scalar(loss, bounds=(np.log(_LEAST), np.log(_MOST)), method="bounded")
    return float(np.exp(found.x))


@dataclass(frozen=True)
class Curve:
    """A learning curve: votes asked for, and the mean squared error of the estimates, (K,) each."""

    votes: np.ndarray
    error: np.ndarray


def simulate(
    beliefs: Beliefs,
    labels: np.ndarray,
    *,
    known: int,
    steps: int,
    choose: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> Curve:
    """Hides votes and reveals them in an order.

    Args:
        beliefs: made without the hidden votes.
        labels: (N, V) class of each vote in the order of asking, -1 for no vote.
        known: votes per utterance at the start.
        steps: how often votes are asked for; each time an equal share of the hidden ones.
        choose: returns a value per utterance (N,) from the votes so far (N, C) and those left (N,); the utterances with
            the highest values are asked for, one vote each.

    Returns:
        The curve; the error is against the shares of all votes.
    """
    rows, classes = np.arange(len(labels)), beliefs.probs.shape[1]
    one_hot = np.eye(classes)[np.maximum(labels, 0)] * (labels >= 0)[..., None]  # (N, V, C)
    full = one_hot.sum(axis=1)
    shares = full / full.sum(axis=1, keepdims=True)
    available = (labels >= 0).sum(axis=1)
    asked = np.minimum(known, available)
    counts = np.where(np.arange(labels.shape[1])[None, :, None] < asked[:, None, None], one_hot, 0).sum(axis=1)
    batch = max(1, -(-int((available - asked).sum()) // steps))
    votes, errors = [int(asked.sum())], [_error(beliefs, counts, shares)]
    while (left := available - asked).any():
        values = np.where(left > 0, choose(counts, left), -np.inf)
        chosen = np.argsort(-values, kind="stable")[: min(batch, int((left > 0).sum()))]
        counts[chosen] += one_hot[rows[chosen], asked[chosen]]
        asked[chosen] += 1
        votes.append(int(asked.sum()))
        errors.append(_error(beliefs, counts, shares))
    return Curve(np.array(votes), np.array(errors))


def _error(beliefs: Beliefs, counts: np.ndarray, shares: np.ndarray) -> float:
    return float(((beliefs.estimate(counts) - shares) ** 2).sum(axis=1).mean())
