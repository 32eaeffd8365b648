"""Class probabilities of a part of a fold, from the last training stage of an experiment."""

import itertools
import math
from pathlib import Path

import torch
from torch import Tensor

from ambiser.config import Config
from ambiser.config.schema import Amber
from ambiser.errors import DataError
from ambiser.io.console import log
from ambiser.io.layout import Layout, require
from ambiser.io.tables import write_tsv
from ambiser.losses.divergence import entropy, js_divergence
from ambiser.losses.guidance import teacher_weights
from ambiser.models.fusion import AmberNetwork
from ambiser.models.prototypes import ambiguous_labels
from ambiser.train.checkpoint import load_best, save_best
from ambiser.train.dev_scores import forward_amber, forward_ipr, replaced_without_words, sample_amber
from ambiser.train.distill_task import build_amber
from ambiser.train.fold_data import Part, Shapes, load_part
from ambiser.train.ipr_tasks import build_network
from ambiser.train.loop import epoch_seed
from ambiser.train.run_stage import prepare_torch


def predict_fold(config: Config, layout: Layout, tag: str, fold: int, part: str = "test") -> Path:
    """Writes the class probabilities of every utterance of a part that has a soft label, as the last file.

    For the test part, heads.tsv (after stage 6 with several heads, or with Monte-Carlo dropout) or
    embeddings.safetensors (after IPR) come before.

    Args:
        config: the experiment.
        layout: the folders.
        tag: name of the experiment.
        fold: number of the fold.
        part: "test", "dev" or "train".

    Returns:
        The path of the table: utt, then a column for each class, sorted by utterance.

    Raises:
        DataError: the last training stage is not done, or its network does not fit the features.
    """
    stage = config.stages[-1]
    best = require(layout.best(tag, fold, stage), stage)
    state, facts = load_best(best)
    device = prepare_torch(config)
    data, shapes = load_part(config, layout, fold, part, device)
    made_for = Shapes(facts["layers"], facts["dim"], facts["text_dim"], tuple(facts["classes"]))
    if made_for != shapes:
        raise DataError(
            f"{best} was trained on {made_for}, the features are {shapes}; train it again in another --exp_dir"
        )
    if stage == "distill":
        network = build_amber(config, shapes)
        network.load_state_dict(state)
        heads, information = _ask_heads(network.to(device), data, config.amber, seed=epoch_seed(fold, tag, 0))
        probs = heads[config.amber.student]
        _log_missing_words(data, config.amber, f"{tag}, fold {fold}, {part}")
        if part == "test" and (len(heads) > 1 or information):
            columns = describe_heads(config.amber, data, shapes.classes, heads, information)
            _write(layout.heads(tag, fold), data.utts, list(columns), torch.stack(list(columns.values()), dim=1))
    else:
        probs, embeddings = _predict_ipr(config, shapes, state, data)
        if part == "test":
            tensors = {"embeddings": embeddings, "prototypes": state["memory.prototypes"]}
            save_best(layout.embeddings(tag, fold), tensors, {"utts": data.utts, "classes": list(shapes.classes)})
    path = layout.predictions(tag, fold, part)
    _write(path, data.utts, list(shapes.classes), _normalized(probs))
    return path


def _predict_ipr(config: Config, shapes: Shapes, state: dict[str, Tensor], data: Part) -> tuple[Tensor, Tensor]:
    network = build_network(config, shapes)
    prefix = "network."
    network.load_state_dict({name.removeprefix(prefix): t for name, t in state.items() if name.startswith(prefix)})
    logits, embeddings = forward_ipr(network.to(data.soft.device), data)
    if config.ipr.predict_by == "classifier":
        return torch.softmax(logits, dim=1), embeddings
    prototypes = state["memory.prototypes"].to(data.soft.device)
    return ambiguous_labels(embeddings, prototypes, config.ipr.prototype_temperature), embeddings


def describe_heads(
    settings: Amber,
    data: Part,
    classes: tuple[str, ...],
    heads: dict[str, Tensor],
    information: dict[str, Tensor],
) -> dict[str, Tensor]:
    """Returns what heads.tsv says of each utterance: (N,) float64 by name of the column.

    HEAD_CLASS are the probabilities; weight_TEACHER how the votes would weigh each teacher; entropy_bits_votes and
    entropy_bits_HEAD entropies; jsd_bits_A_T and so on how far two heads are apart; information_bits_HEAD, with
    Monte-Carlo dropout, how far the draws are.
    """
    columns = {}
    exact = {head: _normalized(probs) for head, probs in heads.items()}
    for head, probs in exact.items():
        columns |= {f"{head}_{name}": probs[:, i] for i, name in enumerate(classes)}
    teachers = [name for name in heads if name != settings.student]
    if teachers:
        logs = torch.stack([heads[name].clamp_min(1e-12).log() for name in teachers])
        has_text = data.has_text()
        available = torch.stack([has_text if name == "T" else torch.ones_like(has_text) for name in teachers])
        weights = teacher_weights(
            settings.weights, data.soft, logs, settings.temperature, settings.divergence, available
        )
        columns |= {f"weight_{name}": weight.double() for name, weight in zip(teachers, weights, strict=True)}
    columns |= {f"entropy_bits_{name}": _bits(entropy(p)) for name, p in {"votes": data.soft.double(), **exact}.items()}
    for one, other in itertools.combinations(exact, 2):
        apart = js_divergence(exact[one], exact[other].clamp_min(1e-12).log())
        columns[f"jsd_bits_{one}_{other}"] = _bits(apart)
    return columns | {f"information_bits_{head}": _bits(nats.double()) for head, nats in information.items()}


def _ask_heads(
    network: AmberNetwork, data: Part, settings: Amber, *, seed: int
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    if settings.mc_dropout:
        return sample_amber(network, data, settings, seed)
    return forward_amber(network, data, settings), {}


def _log_missing_words(data: Part, settings: Amber, where: str) -> None:
    """Says how many utterances lack words and who answers for them."""
    has_text = data.has_text()
    if has_text is None or has_text.all():
        return
    heads = replaced_without_words(settings)
    who = f"head A answers for {' and '.join(heads)}" if heads else "their text counts as the mean of the training part"
    log.info(f"{where}: {int((~has_text).sum())} of {len(data)} utterances have no words; {who}")


def _bits(nats: Tensor) -> Tensor:
    return (nats / math.log(2)).clamp_min(0) + 0.0  # no "-0.0"


def _normalized(probs: Tensor) -> Tensor:
    probs = probs.double()
    return probs / probs.sum(dim=1, keepdim=True)


def _write(path: Path, utts: list[str], columns: list[str], values: Tensor) -> None:
    rows = ([utt, *(f"{value:.8f}" for value in row)] for utt, row in zip(utts, values.tolist(), strict=True))
    write_tsv(path, ["utt", *columns], rows)
