"""Fits Gaussian prototypes to the precise utterances of a fold, and refines them by its ambiguous ones."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ambiser.config.gaussian_keys import Gaussian
from ambiser.models.gaussian import GaussianPrototypes, geometric_mean
from ambiser.train.ambiguous_weight import limit_weight
from ambiser.train.dev_scores import calibrated_jsd
from ambiser.train.part import Part

USED_BY = ("gaussian", "classifier_and_gaussian")
"""The values of `ipr.predict_by` that use Gaussian prototypes."""


_SHARES = [number / 20 for number in range(21)]


@dataclass(frozen=True)
class GaussianPredictor:
    """Fitted prototypes, and the value of `ipr.predict_by`."""

    prototypes: GaussianPrototypes
    predict_by: str

    def probs(self, part: Part, by_classifier: Tensor) -> Tensor:
        """Returns the class probabilities (N, C) of a part, given those of the classifier."""
        own = self.prototypes.posterior(_flat(part))  # (N, C)
        if self.predict_by == "gaussian":
            return own
        return geometric_mean(by_classifier, own, self.prototypes.share.item())

    def choose_share(self, dev: Part, by_classifier: Tensor) -> None:
        """Sets the exponent of the prototypes to the multiple of 0.05 with the lowest JSD on dev, calibrated alike."""
        own = self.prototypes.posterior(_flat(dev))  # (N, C)
        losses = [calibrated_jsd(geometric_mean(by_classifier, own, share), dev.soft) for share in _SHARES]
        self.prototypes.share.fill_(_SHARES[losses.index(min(losses))])


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
    gaussian.share.fill_(1.0 if settings.share == "dev" else settings.share)
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
