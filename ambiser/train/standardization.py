"""Measures mean and scale of the training features and puts them into a new network."""

from torch import Tensor

from ambiser.models.encoder import IprNetwork, Standardizer
from ambiser.models.fusion import AmberNetwork
from ambiser.train.encoders import speech_statistics, text_rows
from ambiser.train.fold_data import Part


def standardize_ipr(network: IprNetwork, train: Part) -> None:
    """Sets mean and scale of the speech features."""
    encoder = network.encoder
    encoder.mix.standardizer.set(*speech_statistics(encoder.front, train))


def standardize_amber(network: AmberNetwork, train: Part, *, speech: bool) -> None:
    """Sets mean and scale of text features and tokens, and with `speech` of speech features (not after IPR)."""
    if speech:
        tower = network.tower
        mix = getattr(tower.encoder, "mix", tower.encoder)  # frames have an encoder around the mix, pooled layers none
        mix.standardizer.set(*speech_statistics(tower.front, train))
    has_text = train.has_text()
    if network.text is not None:
        text = train.text[has_text] if has_text.any() else train.text
        rows = text_rows(network.words, text)  # (n, Dt)
        _set_one_scale(network.text, rows.mean(dim=0), rows.std(dim=0, unbiased=False))
    if train.tokens is not None and has_text.any():
        _set_one_scale(network.fusion.standardizer, *train.token_statistics())


def _set_one_scale(standardizer: Standardizer, mean: Tensor, deviation: Tensor) -> None:
    """Sets means (Dt,) and one scale for all features, because a scale per feature would blow up rare words."""
    standardizer.set(mean, deviation.square().mean().sqrt().expand_as(deviation))
