"""Fits a model of raters to votes: Dawid-Skene, or GLAD or MACE of crowd-kit."""

import numpy as np

from ambiser.errors import ConfigError
from ambiser.labels.ballots import named_raters
from ambiser.labels.dawid_skene import dawid_skene
from ambiser.labels.vote_table import VoteTable

MODELS = ("glad", "mace")


def check_named(model: str, votes: VoteTable) -> None:
    """Refuses models of raters for anonymous raters, whose names say nothing beyond one utterance.

    Raises:
        ConfigError: a rater is anonymous.
    """
    if not named_raters(votes).all():
        raise ConfigError(
            f"labels.aggregate: {model} needs named raters, and those of this corpus are anonymous; use votes"
        )


def rater_posteriors(
    model: str, item: np.ndarray, rater: np.ndarray, label: np.ndarray, *, n_items: int, n_classes: int
) -> np.ndarray:
    """Estimates (N, C) probabilities by dawid_skene, glad or mace; arguments as in `crowd_posteriors`."""
    if model == "dawid_skene":
        return dawid_skene(item, rater, label, n_items=n_items, n_classes=n_classes)
    return crowd_posteriors(model, item, rater, label, n_items=n_items, n_classes=n_classes)


def crowd_posteriors(
    model: str, item: np.ndarray, rater: np.ndarray, label: np.ndarray, *, n_items: int, n_classes: int
) -> np.ndarray:
    """Estimates the probability of each class for each item.

    GLAD gives each rater an ability and each item a difficulty; MACE a chance that a rater answers without looking.
    MACE trusts a rater who always gives the same answer, since its model explains such answers without a guess; use
    GLAD where there are such raters.

    Args:
        model: glad or mace.
        item, rater, label: (E,) of each vote; the label is a class number.
        n_items: N; an item without votes gets equal probabilities.
        n_classes: C.

    Returns:
        (N, C) posteriors; rows sum to 1.

    Raises:
        ConfigError: crowd-kit is not installed.

    Source: Whitehill et al., Whose vote should count more, NIPS 2009; Hovy et al., Learning whom to trust with MACE,
    NAACL 2013.
    """
    try:
        from crowdkit.aggregation import GLAD, MACE
        from pandas import DataFrame
    except ImportError as error:
        raise ConfigError(
            f"labels.aggregate: {model} needs the package crowd-kit; run pip install 'crowd-kit>=1.4'"
        ) from error
    fitted = GLAD(silent=True) if model == "glad" else MACE(random_state=0)
    table = fitted.fit_predict_proba(DataFrame({"task": item, "worker": rater, "label": label}))
    posteriors = np.zeros((n_items, n_classes))
    posteriors[np.ix_(table.index.to_numpy(), table.columns.to_numpy())] = table.to_numpy()
    posteriors[posteriors.sum(axis=1) == 0] = 1 / n_classes
    return posteriors / posteriors.sum(axis=1, keepdims=True)
