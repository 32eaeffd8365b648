"""Makes prediction sets: the classes that hold a rater's label with a given chance, calibrated on dev.

A set holds the most probable classes, as far down as a threshold on the probability mass above them allows. The
threshold is calibrated on the dev part either with the majority of each utterance as its only label (split conformal
prediction), or with all of its votes (Monte-Carlo conformal prediction for ambiguous ground truth). Votes with few
raters and test speakers who differ from those of dev are why the coverage of the test part is reported beside it.
"""

import math
from dataclasses import dataclass

import numpy as np

CALIBRATIONS = ("votes", "majority")
_TOLERANCE = 1e-9  # vote shares of thirds do not add up to one exactly


@dataclass(frozen=True)
class SetRule:
    """How sets are made.

    Attributes:
        form: aps (adaptive prediction sets), or raps, which adds a penalty per rank.
        coverage: share of labels that sets should hold.
        per_class: one threshold per class, so that every class is covered.
        penalty: raps adds this times (rank - free_ranks) for ranks above free_ranks.
        free_ranks: as above; ranks count from 1.
    """

    form: str
    coverage: float
    per_class: bool
    penalty: float
    free_ranks: int

    def nonconformity(self, probs: np.ndarray) -> np.ndarray:
        """Returns (N, C): for each class the mass of the more probable classes, plus the penalty; 0 for the first.

        Source: Romano et al. 2020 (arXiv 2006.02544) with u = 1, so that nothing is drawn and no set is empty;
        Angelopoulos et al. 2021 (arXiv 2009.14193) for the penalty.
        """
        order = np.argsort(-probs, axis=1, kind="stable")
        ranked = np.take_along_axis(probs, order, axis=1)
        above = np.cumsum(ranked, axis=1) - ranked
        if self.form == "raps":
            ranks = np.arange(1, probs.shape[1] + 1)
            above = above + self.penalty * np.maximum(ranks - self.free_ranks, 0)
        scores = np.empty_like(above)
        np.put_along_axis(scores, order, above, axis=1)
        return np.maximum(scores, 0.0)

    def thresholds(self, probs: np.ndarray, shares: np.ndarray) -> np.ndarray:
        """Returns (C,) largest nonconformities of classes that sets hold; inf where too little was calibrated on.

        An utterance counts once, divided between its labels. The threshold is the smallest that at least
        coverage (n + 1) of the n utterances meet. For shares of 0 and 1 this is split conformal prediction; for vote
        shares it is the limit of Monte-Carlo conformal prediction for many labels drawn from the votes.

        Args:
            probs: (N, C) predicted for dev.
            shares: (N, C) labels: rows that sum to 1.

        Source: Stutz et al. 2023 (arXiv 2307.09302).
        """
        scores, classes = self.nonconformity(probs), probs.shape[1]
        if self.per_class:
            columns = [_quantile(scores[:, i], shares[:, i], self.coverage) for i in range(classes)]
            return np.array(columns)
        return np.full(classes, _quantile(scores.ravel(), shares.ravel(), self.coverage))

    def sets(self, probs: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
        """Returns (N, C) which classes the set of each utterance holds; the most probable one always.

        Args:
            probs: (N, C) predicted.
            thresholds: (C,) from `thresholds`.
        """
        held = self.nonconformity(probs) <= thresholds + _TOLERANCE
        held[np.arange(len(probs)), probs.argmax(axis=1)] = True
        return held

    def least_utterances(self) -> int:
        """Returns how many dev utterances (per class, with `per_class`) a threshold needs."""
        return math.ceil(self.coverage / (1 - self.coverage) - _TOLERANCE)


def calibration_shares(calibration: str, soft: np.ndarray, hard: np.ndarray) -> np.ndarray:
    """Returns (N, C) labels to calibrate on: vote shares, or 1 for the majority; rows of 0 have no majority."""
    if calibration == "votes":
        return soft
    shares = np.zeros_like(soft)
    known = np.flatnonzero(hard >= 0)
    shares[known, hard[known]] = 1
    return shares


def _quantile(scores: np.ndarray, weights: np.ndarray, coverage: float) -> float:
    """Returns the smallest score that weights of coverage (sum + 1) do not exceed; inf where none does."""
    used = weights > 0
    order = np.argsort(scores[used], kind="stable")
    reached = np.cumsum(weights[used][order])
    needed = coverage * (weights.sum() + 1) - _TOLERANCE
    place = int(np.searchsorted(reached, needed))
    return float(scores[used][order][place]) if place < len(order) else math.inf
