"""Fits Dawid and Skene's model, which weights votes by the estimated confusions of each rater."""

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
    """Estimates the probability of each class for each item by expectation maximization.

    Confusion matrices of the raters (answer l given true class k) and class priors are estimated from the posteriors,
    and the posteriors from both, starting with the vote shares.

    Args:
        item, rater, label: (E,) of each vote; the label is a class number.
        n_items: N; an item without votes gets the class priors.
        n_classes: C.
        iterations: maximum number of iterations.
        tolerance: stops once no posterior changes by more.

    Returns:
        (N, C) posteriors; rows sum to 1.

    Source: Dawid and Skene, Maximum likelihood estimation of observer error-rates using the EM algorithm, Applied
    Statistics 28(1), 1979. Same result as crowd-kit's DawidSkene, which would add pandas, pyarrow and nltk (280 MB).
    """
    _, rater = np.unique(rater, return_inverse=True)
    counts = np.bincount(item * n_classes + label, minlength=n_items * n_classes).reshape(n_items, n_classes)
    voted = counts.sum(axis=1) > 0
    posterior = np.where(voted[:, None], counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), 1 / n_classes)
    for _ in range(iterations):
        prior = posterior[voted].mean(axis=0) if voted.any() else posterior.mean(axis=0)
        new = _posterior(item, rater, label, prior=prior, posterior=posterior)
        moved = np.abs(new - posterior)[voted].max(initial=0.0)
        posterior = new
        if moved < tolerance:
            break
    return posterior


def _posterior(
    item: np.ndarray, rater: np.ndarray, label: np.ndarray, *, prior: np.ndarray, posterior: np.ndarray
) -> np.ndarray:
    """Estimates the confusion matrices from (N, C) posteriors, and returns the posteriors under them."""
    n_items, n_classes = posterior.shape
    n_raters = int(rater.max()) + 1 if len(rater) else 0
    answer = rater * n_classes + label
    # In the log domain: an item with hundreds of votes would underflow as a product.
    score = np.tile(np.log(np.maximum(prior, _SMALLEST)), (n_items, 1))  # (N, C)
    for k in range(n_classes):
        confusion = np.bincount(answer, weights=posterior[item, k], minlength=n_raters * n_classes)
        confusion = confusion.reshape(n_raters, n_classes)  # row k of every rater's matrix
        confusion = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), _SMALLEST)
        log_answer = np.log(np.maximum(confusion, _SMALLEST))[rater, label]  # (E,)
        score[:, k] += np.bincount(item, weights=log_answer, minlength=n_items)
    new = np.exp(score - score.max(axis=1, keepdims=True))
    return new / new.sum(axis=1, keepdims=True)
