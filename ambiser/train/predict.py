"""Class probabilities of a part of a fold, from the last training stage of an experiment."""

from pathlib import Path

import torch
from torch import Tensor

from ambiser.config import Config
from ambiser.errors import DataError
from ambiser.io.layout import Layout, require
from ambiser.io.tables import write_tsv
from ambiser.losses.guidance import teacher_weights
from ambiser.models.prototypes import ambiguous_labels
from ambiser.train.amber import build_amber
from ambiser.train.checkpoint import load_best, save_best
from ambiser.train.evaluate import forward_amber, forward_ipr
from ambiser.train.fold import Part, Shapes, load_part
from ambiser.train.ipr import build_network
from ambiser.train.stages import prepare_torch


def predict_fold(config: Config, layout: Layout, tag: str, fold: int, part: str = "test") -> Path:
    """Writes the class probabilities of every utterance of a part that has a soft label, as the last file.

    For the test part, heads.tsv (after stage 6 with several heads) or embeddings.safetensors (after IPR) come before.

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
        heads = forward_amber(network.to(device), data, config.amber.evidential)
        probs = heads[config.amber.student]
        if part == "test" and len(heads) > 1:
            _write_heads(layout.heads(tag, fold), config, data, shapes.classes, heads)
    else:
        probs, embeddings = _predict_ipr(config, shapes, state, data)
        if part == "test":
            tensors = {"embeddings": embeddings, "prototypes": state["memory.prototypes"]}
            save_best(layout.embeddings(tag, fold), tensors, {"utts": data.utts, "classes": list(shapes.classes)})
    path = layout.predictions(tag, fold, part)
    rows = ([utt, *row] for utt, row in zip(data.utts, _digits(_normalized(probs)), strict=True))
    write_tsv(path, ["utt", *shapes.classes], rows)
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


def _write_heads(path: Path, config: Config, data: Part, classes: tuple[str, ...], heads: dict[str, Tensor]) -> None:
    """Writes utt, HEAD_CLASS for every head and class, and weight_TEACHER as the votes would weigh each teacher."""
    teachers = [name for name in heads if name != config.amber.student]
    settings = config.amber
    logs = torch.stack([heads[name].clamp_min(1e-12).log() for name in teachers])
    has_text = data.has_text()
    available = torch.stack([has_text if name == "T" else torch.ones_like(has_text) for name in teachers])
    weights = teacher_weights(settings.weights, data.soft, logs, settings.temperature, settings.divergence, available)
    columns = ["utt", *(f"{head}_{name}" for head in heads for name in classes), *(f"weight_{t}" for t in teachers)]
    values = torch.cat([_normalized(probs) for probs in heads.values()] + [weights.T.double()], dim=1)
    write_tsv(path, columns, ([utt, *row] for utt, row in zip(data.utts, _digits(values), strict=True)))


def _normalized(probs: Tensor) -> Tensor:
    probs = probs.double()
    return probs / probs.sum(dim=1, keepdim=True)


def _digits(values: Tensor) -> list[list[str]]:
    return [[f"{value:.8f}" for value in row] for row in values.tolist()]
