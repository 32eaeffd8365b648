"""Measures mean and scale of the training features and puts them into a new network."""

from torch import Tensor

from ambiser.errors import DataError
from ambiser.models.encoder import IprNetwork, Standardizer
from ambiser.models.fusion import AmberNetwork
from ambiser.train.encoders import speech_statistics, text_rows
from ambiser.train.part import Part


def standardize_ipr(network: IprNetwork, train: Part) -> None:
    """Sets mean and scale of the speech features.

    Raises:
        DataError: they are not finite.
    """
    encoder = network.encoder
    _set(encoder.mix.standardizer, "speech features", *speech_statistics(encoder.front, train))


def standardize_amber(network: AmberNetwork, train: Part, *, speech: bool) -> None:
    """Sets mean and scale of text features and tokens, and with `speech` of speech features (not after IPR).

    Raises:
        DataError: they are not finite.
    """
    if speech:
        tower = network.tower
        mix = getattr(tower.encoder, "mix", tower.encoder)  # frames have an encoder around the mix, pooled layers none
        _set(mix.standardizer, "speech features", *speech_statistics(tower.front, train))
    has_text = train.has_text()
    if network.text is not None:
        text = train.text[has_text] if has_text.any() else train.text
        rows = text_rows(network.words, text)  # (n, Dt)
        _set_one_scale(network.text, "text features", rows.mean(dim=0), rows.std(dim=0, unbiased=False))
    if train.tokens is not None and has_text.any():
        _set_one_scale(network.fusion.standardizer, "tokens", *train.token_statistics())


def _set_one_scale(standardizer: Standardizer, name: str, mean: Tensor, deviation: Tensor) -> None:
    """Sets means (Dt,) and one scale for all features, because a scale per feature would blow up rare words."""
    _set(standardizer, name, mean, deviation.square().mean().sqrt().expand_as(deviation))


def _set(standardizer: Standardizer, name: str, mean: Tensor, deviation: Tensor) -> None:
    standardizer.set(mean, deviation)
    if not (standardizer.mean.isfinite().all() and standardizer.scale.isfinite().all()):
        raise DataError(
            f"mean or deviation of the {name} in the training part is not finite, so their values are too large; "
            "scale them down where they are made"
        )
