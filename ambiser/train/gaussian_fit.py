"""Fits Gaussian prototypes to the precise utterances of a fold, and refines them by its ambiguous ones."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ambiser.config.gaussian_keys import Gaussian
from ambiser.models.gaussian import GaussianPrototypes, geometric_mean
from ambiser.train.ambiguous_weight import limit_weight
from ambiser.train.fold_data import Part

USED_BY = ("gaussian", "classifier_and_gaussian")
"""The values of `ipr.predict_by` that use Gaussian prototypes."""


@dataclass(frozen=True)
class GaussianPredictor:
    """Fitted prototypes, the value of `ipr.predict_by`, and their exponent in a geometric mean."""

    prototypes: GaussianPrototypes
    predict_by: str
    share: float

    def probs(self, part: Part, by_classifier: Tensor) -> Tensor:
        """Returns the class probabilities (N, C) of a part, given those of the classifier."""
        own = self.prototypes.posterior(_flat(part))  # (N, C)
        return own if self.predict_by == "gaussian" else geometric_mean(by_classifier, own, self.share)


def fit_gaussian(
    train: Part, labels: Tensor, precise: Tensor, ambiguous: Tensor, settings: Gaussian
) -> GaussianPrototypes:
    """Fits prototypes to precise utterances, then refines them `settings.iterations` times.

    A refinement weights each ambiguous utterance by its class posteriors at the given temperature. Whitening and class
    shares stay those of precise utterances.

    Args:
        train: training utterances; of ambiguous ones only the features are read.
        labels: (N,) classes of precise utterances.
        precise: (P,) indices.
        ambiguous: (A,) indices; empty for no refinement.
        settings: the section `gaussian`.
    """
    features, classes = _flat(train), train.soft.shape[1]
    device = features.device
    known, unknown = features[precise.to(device)], features[ambiguous.to(device)]  # (P, F), (A, F)
    weights = one_hot(labels[precise.to(labels.device)], classes).to(features)  # (P, C)
    log_prior = ((weights.sum(dim=0) + 1) / (weights.sum() + classes)).log()  # (C,)
    options = {"prior_count": settings.prior_count, "shrinkage": settings.shrinkage}
    gaussian = GaussianPrototypes(features.shape[1], min(settings.dims, features.shape[1]), classes).to(device)
    gaussian.fit_whitening(known)
    gaussian.fit_classes(known, weights, log_prior, **options)
    weight = limit_weight(
        settings.ambiguous_weight, settings.ambiguous_limit, precise=len(known), ambiguous=len(unknown)
    )
    for _ in range(settings.iterations if len(unknown) else 0):
        soft = weight * gaussian.posterior(unknown, settings.temperature)  # (A, C)
        gaussian.fit_classes(torch.cat([known, unknown]), torch.cat([weights, soft]), log_prior, **options)
    return gaussian


def _flat(part: Part) -> Tensor:
    """Returns the pooled features (N, L·D) of a part."""
    return part.speech.flatten(1)
