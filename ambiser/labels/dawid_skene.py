"""Dawid and Skene's model: what raters mean by a label is learned, and their votes are weighed by it."""

import numpy as np

_SMALLEST = 1e-10


def dawid_skene(
    item: np.ndarray,
    rater: np.ndarray,
    label: np.ndarray,
    *,
    n_items: int,
    n_classes: int,
    iterations: int = 200,
    tolerance: float = 1e-6,
) -> np.ndarray:
    """Estimates by expectation maximization how probable each class is for each item.

    Every rater has a confusion matrix, the probability that he says l where the truth is k, and every class a share.
    Both are estimated from the posteriors, and the posteriors from both, beginning with the shares of the votes.

    Args:
        item: (E,) the item of each vote.
        rater: (E,) who gave it.
        label: (E,) the class that he gave.
        n_items: N; an item without a vote gets the shares of the classes.
        n_classes: C.
        iterations: at most so many.
        tolerance: ends it when no posterior moves by more.

    Returns:
        (N, C) posteriors, rows that sum to 1.

    Source: Dawid and Skene, Maximum likelihood estimation of observer error-rates using the EM algorithm, Applied
    Statistics 28(1), 1979. The same as crowd-kit's DawidSkene, which would bring pandas, pyarrow and nltk
    (280 MB) along for these few lines.
    """
    _, rater = np.unique(rater, return_inverse=True)
    n_raters = int(rater.max()) + 1 if len(rater) else 0
    counts = np.bincount(item * n_classes + label, minlength=n_items * n_classes).reshape(n_items, n_classes)
    voted = counts.sum(axis=1) > 0
    posterior = np.full((n_items, n_classes), 1 / n_classes)
    posterior[voted] = counts[voted] / counts[voted].sum(axis=1, keepdims=True)
    said = rater * n_classes + label
    for _ in range(iterations):
        prior = posterior[voted].mean(axis=0) if voted.any() else posterior.mean(axis=0)
        score = np.tile(np.log(np.maximum(prior, _SMALLEST)), (n_items, 1))
        for k in range(n_classes):
            confusion = np.bincount(said, weights=posterior[item, k], minlength=n_raters * n_classes)
            confusion = confusion.reshape(n_raters, n_classes)
            confusion = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), _SMALLEST)
            log_said = np.log(np.maximum(confusion, _SMALLEST))[rater, label]
            score[:, k] += np.bincount(item, weights=log_said, minlength=n_items)
        new = np.exp(score - score.max(axis=1, keepdims=True))
        new /= new.sum(axis=1, keepdims=True)
        moved = np.abs(new - posterior)[voted].max(initial=0.0)
        posterior = new
        if moved < tolerance:
            break
    return posterior
