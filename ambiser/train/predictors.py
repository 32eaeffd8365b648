"""Predicts a part with a trained network, and prepares the tables of heads and embeddings for it."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ambiser.config.ipr_keys import Ipr
from ambiser.config.training_keys import Amber
from ambiser.labels.ratings import ATTRIBUTES
from ambiser.losses.divergence import entropy, js_divergence
from ambiser.losses.guidance import teacher_weights
from ambiser.models.encoder import IprNetwork
from ambiser.models.fusion import AmberNetwork
from ambiser.train.attribute_task import predict_attributes
from ambiser.train.dev_scores import forward_amber, forward_ipr, probs_ipr, replaced_without_words, sample_amber
from ambiser.train.gaussian_fit import USED_BY, GaussianPredictor
from ambiser.train.ipr_checkpoint import IprCheckpoint
from ambiser.train.part import Part
from ambiser.train.rater_scores import score_raters


@dataclass(frozen=True)
class Prediction:
    """The predictions for the N utterances of a part.

    Attributes:
        probs: (N, C) class probabilities, the ones that are scored.
        heads: columns of heads.tsv, (N,) float64 by name; empty when there is nothing to write.
        embeddings: (N, P) unit rows of IPR, or None.
        prototypes: (C, P) of IPR, or None.
        note: a remark for the log, or "".
        raters: rows of raters.tsv; empty without a model of raters.
        attributes: columns of attributes.tsv, (N,) by name; empty where attributes were not learned.
    """

    probs: Tensor
    heads: dict[str, Tensor]
    embeddings: Tensor | None = None
    prototypes: Tensor | None = None
    note: str = ""
    raters: Sequence[dict[str, str]] = ()
    attributes: Mapping[str, Tensor] = field(default_factory=dict)


def predict_ipr(network: IprNetwork, checkpoint: IprCheckpoint, part: Part, settings: Ipr) -> Prediction:
    """Predicts with the network and the prototypes of an IPR stage; loads the checkpoint into the network."""
    device = part.soft.device
    network.load_state_dict(checkpoint.network())
    logits, embeddings = forward_ipr(network.to(device), part)  # (N, C), (N, P)
    probs = probs_ipr(logits, embeddings, checkpoint.prototypes.to(device), settings)
    if settings.predict_by in USED_BY:
        probs = GaussianPredictor(checkpoint.gaussian().to(device), settings.predict_by).probs(part, probs)
    return Prediction(probs, {}, embeddings, checkpoint.prototypes)


def predict_amber(
    network: AmberNetwork, part: Part, settings: Amber, *, classes: tuple[str, ...], seed: int
) -> Prediction:
    """Predicts with all heads of a trained network; with `mc_dropout` it averages draws made with the seed."""
    network.to(part.soft.device)
    if settings.mc_dropout:
        heads, information = sample_amber(network, part, settings, seed)
    else:
        heads, information = forward_amber(network, part, settings), {}
    columns = {}
    if len(heads) > 1 or information:
        columns = describe_heads(settings, part, classes, heads, information)
    raters = [] if part.votes is None else score_raters(network, part, settings, classes)
    attributes = {}
    if network.attributes is not None:
        mean, spread = predict_attributes(network, part, settings.student)  # (N, 3) each
        attributes = dict(zip(ATTRIBUTES, mean.T.cpu(), strict=True))
        attributes |= {f"{name}_spread": values for name, values in zip(ATTRIBUTES, spread.T.cpu(), strict=True)}
    note = _describe_missing_words(part, settings)
    return Prediction(heads[settings.student], columns, note=note, raters=raters, attributes=attributes)


def describe_heads(
    settings: Amber,
    part: Part,
    classes: tuple[str, ...],
    heads: dict[str, Tensor],
    information: dict[str, Tensor],
) -> dict[str, Tensor]:
    """Returns the columns of heads.tsv, (N,) float64 by name.

    HEAD_CLASS are probabilities; weight_TEACHER the teacher weights given the votes; entropy_bits_votes and
    entropy_bits_HEAD entropies; jsd_bits_A_T and so on divergences between two heads; information_bits_HEAD, with
    Monte-Carlo dropout, the mutual information of prediction and network.
    """
    exact = {head: normalize_probs(probs) for head, probs in heads.items()}  # (N, C)
    columns = {f"{head}_{name}": probs[:, i] for head, probs in exact.items() for i, name in enumerate(classes)}
    columns |= _teacher_columns(settings, part, heads)
    # Votes in float64 as well, so that equal distributions get equal digits.
    columns |= {f"entropy_bits_{name}": _bits(entropy(p)) for name, p in {"votes": part.soft.double(), **exact}.items()}
    for one, other in itertools.combinations(exact, 2):
        divergence = js_divergence(exact[one], exact[other].clamp_min(1e-12).log())
        columns[f"jsd_bits_{one}_{other}"] = _bits(divergence)
    return columns | {f"information_bits_{head}": _bits(nats.double()) for head, nats in information.items()}


def _teacher_columns(settings: Amber, part: Part, heads: dict[str, Tensor]) -> dict[str, Tensor]:
    """Returns the weight (N,) of each teacher given the votes; a teacher T without words weighs nothing."""
    teachers = [name for name in heads if name != settings.student]
    if not teachers:
        return {}
    log_probs = torch.stack([heads[name].clamp_min(1e-12).log() for name in teachers])  # (M, N, C)
    has_text = part.has_text()
    available = torch.stack([has_text if name == "T" else torch.ones_like(has_text) for name in teachers])  # (M, N)
    weights = teacher_weights(
        settings.weights, part.soft, log_probs, settings.temperature, settings.divergence, available
    )
    return {f"weight_{name}": weight.double() for name, weight in zip(teachers, weights, strict=True)}


def _describe_missing_words(part: Part, settings: Amber) -> str:
    """Says how many utterances have no words and what replaces their text; "" when all have words."""
    has_text = part.has_text()
    if has_text is None or has_text.all():
        return ""
    heads = replaced_without_words(settings)
    how = f"head A replaces {' and '.join(heads)}" if heads else "their text counts as the mean of the training part"
    return f"{int((~has_text).sum())} of {len(part)} utterances have no words; {how}"


def _bits(nats: Tensor) -> Tensor:
    return (nats / math.log(2)).clamp_min(0) + 0.0  # adding 0 turns -0.0, which would be printed, into 0.0


def normalize_probs(probs: Tensor) -> Tensor:
    """Returns rows in float64 that sum to 1 in the digits that are written."""
    probs = probs.double()
    return probs / probs.sum(dim=1, keepdim=True)
