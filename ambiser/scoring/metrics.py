"""Computes the scores of one set of predictions against votes; each is tested against another source.

Arrays: probs (N, C) predicted and soft (N, C) voted distributions, rows that sum to 1; counts (N, C) vote mass;
hard (N,) the reference class or -1 where the votes have none. A score that is undefined (no utterance with a
reference, a class that no reference names, no variation to explain) is None and never a number that looks like one.
numpy is enough: with scikit-learn, whose functions check their arguments for long, scoring took three times as long.
"""

import numpy as np

from ambiser.labels.entropy import entropy_bits
from ambiser.scoring.ground_distance import GroundDistance
from ambiser.scoring.reliability import expected_calibration_error
from ambiser.scoring.score_names import HARD, METRICS, Scores
from ambiser.scoring.utterance_scores import PROBABILITY_FLOOR, utterance_scores
from ambiser.scoring.vote_agreement import agreement_scores

SET_SCORES = (
    "nll_per_vote_nats",
    "r2_determination",
    "multilabel_macro_f1",
    "entropy_correlation",
    "agreement_gap",
    "agreement_correlation",
)
"""Scores of distributions that are no means over utterances."""
THRESHOLD_TOLERANCE = 1e-9  # a share of exactly 1 / C is not above 1 / C, whatever its last bits say


def score_all(
    *,
    probs: np.ndarray,
    soft: np.ndarray,
    hard: np.ndarray,
    counts: np.ndarray,
    bins: int,
    ground: GroundDistance | None = None,
) -> Scores:
    """Returns every score of METRICS.

    Args:
        probs, soft, hard, counts: as in the head of this module.
        bins: equal-width bins of the calibration error.
        ground: distances between classes; None: 1 between any two.
    """
    scores = hard_scores(probs.argmax(axis=1), hard, probs.shape[1])
    scores["macro_auroc"] = macro_auroc(probs, hard)
    scores |= distribution_scores(probs, soft, counts, ground)
    scores["ece"] = expected_calibration_error(probs, hard, bins)
    scores |= detection_scores(entropy_bits(probs), hard)
    return {name: scores[name] for name in METRICS}


def hard_scores(predicted: np.ndarray, hard: np.ndarray, classes: int) -> Scores:
    """Returns accuracy, UA, macro-F1 and weighted F1 over the utterances with a reference.

    UA and macro-F1 are None when a class is never the reference: a mean over fewer classes is another score.

    Args:
        predicted: (N,) predicted classes.
        hard: (N,) reference classes or -1.
        classes: C.
    """
    confusion = confusion_counts(predicted, hard, classes)  # (C, C)
    right, support, guessed = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    total = support.sum()
    if total == 0:
        return dict.fromkeys(HARD)
    f1, complete = _f1(right, support + guessed), support.all()
    return {
        "accuracy": float(right.sum() / total),
        "ua": float((right / support).mean()) if complete else None,
        "macro_f1": float(f1.mean()) if complete else None,
        "weighted_f1": float((f1 * support).sum() / total),
    }


def _f1(right: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Returns (C,) F1 from the hits and the sum of labels and predictions per class; 0 without a hit."""
    return np.where(right > 0, 2 * right / np.maximum(sizes, 1), 0.0)


def confusion_counts(predicted: np.ndarray, hard: np.ndarray, classes: int) -> np.ndarray:
    """Returns (C, C) counts: row = reference, column = prediction; utterances without a reference are left out."""
    known = hard >= 0
    cells = hard[known] * classes + predicted[known]
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def class_aurocs(probs: np.ndarray, hard: np.ndarray) -> np.ndarray:
    """Returns (C,) areas under the ROC curve of every class against the others; NaN without both kinds.

    Utterances without a reference are left out.
    """
    known = hard >= 0
    areas = np.full(probs.shape[1], np.nan)
    for label in range(probs.shape[1]):
        positive = hard[known] == label
        if positive.any() and not positive.all():
            areas[label] = _auroc(probs[known, label], positive)
    return areas


def _auroc(values: np.ndarray, positive: np.ndarray) -> float:
    """Returns the share of pairs of a positive and a negative in which the positive is higher; a tie is half a pair."""
    negatives, chosen = np.sort(values[~positive]), values[positive]
    below = np.searchsorted(negatives, chosen, "left") + np.searchsorted(negatives, chosen, "right")
    return float(below.sum() / (2 * len(negatives) * len(chosen)))


def _average_precision(values: np.ndarray, positive: np.ndarray) -> float:
    """Returns the mean, over positives, of the share of positives among all that are at least as high."""
    chosen = values[positive]
    hits, reached = (len(one) - np.searchsorted(np.sort(one), chosen) for one in (chosen, values))
    return float((hits / reached).mean())


def macro_auroc(probs: np.ndarray, hard: np.ndarray) -> float | None:
    """Returns the mean of the classes' areas under the ROC curve; None when a class is never the reference."""
    mean = class_aurocs(probs, hard).mean()
    return float(mean) if np.isfinite(mean) else None


def distribution_scores(
    probs: np.ndarray, soft: np.ndarray, counts: np.ndarray, ground: GroundDistance | None = None
) -> Scores:
    """Returns the scores that compare distributions: means over utterances, and those over the whole set."""
    each = utterance_scores(probs, soft, ground)
    if len(probs) == 0:
        return dict.fromkeys((*each, *SET_SCORES))
    scores: Scores = {name: float(values.mean()) for name, values in each.items()}
    scores |= agreement_scores(probs, counts)
    scores["nll_per_vote_nats"] = nll_per_vote_nats(probs, counts)
    scores["r2_determination"] = r2_determination(probs, soft)
    scores["multilabel_macro_f1"] = multilabel_macro_f1(probs, soft)
    scores["entropy_correlation"] = entropy_correlation(probs, soft)
    return scores


def nll_per_vote_nats(probs: np.ndarray, counts: np.ndarray) -> float | None:
    """Returns the mean of -log p over all votes of all utterances, or None without a vote."""
    votes = counts.sum()
    return float(-(counts * np.log(np.maximum(probs, PROBABILITY_FLOOR))).sum() / votes) if votes > 0 else None


def r2_determination(probs: np.ndarray, soft: np.ndarray) -> float | None:
    """Returns 1 - residual / total sum of squares per class over utterances, averaged over classes.

    None when a class has the same vote share everywhere, since there is then nothing to explain.
    """
    if len(soft) < 2 or (np.ptp(soft, axis=0) == 0).any():
        return None
    residual, spread = ((soft - probs) ** 2).sum(axis=0), ((soft - soft.mean(axis=0)) ** 2).sum(axis=0)  # (C,)
    return float((1 - residual / spread).mean())


def above_uniform(distribution: np.ndarray) -> np.ndarray:
    """Returns (N, C) which classes have more than 1 / C, the labels of EMO-SUPERB's multi-label view."""
    return distribution > 1 / distribution.shape[1] + THRESHOLD_TOLERANCE


def multilabel_macro_f1(probs: np.ndarray, soft: np.ndarray) -> float | None:
    """Returns the mean of the classes' F1 over the labels above 1 / C; None when a class is never voted so.

    Source: EMO-SUPERB (arXiv 2402.13018), threshold 1 / C.
    """
    voted, said = above_uniform(soft), above_uniform(probs)
    if not voted.any(axis=0).all():
        return None
    return float(_f1((voted & said).sum(axis=0), voted.sum(axis=0) + said.sum(axis=0)).mean())


def entropy_correlation(probs: np.ndarray, soft: np.ndarray) -> float | None:
    """Returns Spearman's rho of voted and predicted entropy, or None when one of them is constant."""
    voted, predicted = entropy_bits(soft), entropy_bits(probs)
    if len(voted) < 2 or np.ptp(voted) == 0 or np.ptp(predicted) == 0:
        return None
    return float(np.corrcoef(_mean_ranks(voted), _mean_ranks(predicted))[0, 1])


def _mean_ranks(values: np.ndarray) -> np.ndarray:
    """Returns (N,) ranks from 1; ties share their mean rank."""
    _, place, size = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(size) - (size - 1) / 2)[place]


def detection_scores(predicted_entropy: np.ndarray, hard: np.ndarray) -> Scores:
    """Returns AUROC and average precision of the predicted entropy as a detector of "no majority".

    None when all or no utterances have a majority, or the entropy is constant.
    """
    without = hard < 0
    if without.all() or not without.any() or np.ptp(predicted_entropy) == 0:
        return {"no_majority_auroc": None, "no_majority_aupr": None}
    return {
        "no_majority_auroc": _auroc(predicted_entropy, without),
        "no_majority_aupr": _average_precision(predicted_entropy, without),
    }
