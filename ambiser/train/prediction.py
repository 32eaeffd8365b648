"""Writes the class probabilities of a part of a fold, from the last training stage of an experiment."""

from pathlib import Path

import torch
from torch import Tensor

from ambiser.config import Config
from ambiser.errors import DataError
from ambiser.io.choice_file import model_tag
from ambiser.io.console import log
from ambiser.io.layout import Layout, require
from ambiser.io.tables import write_tsv
from ambiser.train.build import TASKS, part_sources
from ambiser.train.checkpoint import load_best
from ambiser.train.device import prepare_torch
from ambiser.train.embeddings_file import Embeddings
from ambiser.train.fold_data import load_part
from ambiser.train.loop import epoch_seed
from ambiser.train.part import Part, Shapes
from ambiser.train.predictors import Prediction, normalize_probs


def predict_fold(config: Config, layout: Layout, tag: str, fold: int, part: str = "test") -> Path:
    """Writes the class probabilities of every utterance of a part that has a soft label, as the last file.

    For the test part, heads.tsv (after stage 6 with several heads, or with Monte-Carlo dropout), raters.tsv (with a
    model of raters), attributes.tsv or embeddings.safetensors (after IPR) come before.

    Args:
        config: the experiment; with a grid, the point that dev chose for this fold.
        layout: the folders.
        tag: name of the experiment.
        fold: number of the fold.
        part: "test", "dev" or "train".

    Returns:
        The path of the table: utt, then a column for each class, sorted by utterance.

    Raises:
        DataError: the last training stage is not done, its network does not fit the features, or a prediction is not
            finite.
    """
    stage = config.stages[-1]
    best = require(layout.best(model_tag(layout, tag, fold), fold, stage), stage)
    state, facts = load_best(best)
    device = prepare_torch(config.train.device, config.train.threads)
    data, shapes = load_part(part_sources(config, layout), layout, fold, part, device)
    trained = Shapes(facts["layers"], facts["dim"], facts["text_dim"], tuple(facts["classes"]))
    if trained != shapes:
        raise DataError(
            f"{best} was trained on {trained}, the features are {shapes}; train it again in another --exp_dir"
        )
    # The seed of Monte-Carlo dropout depends on experiment and fold, so that a repeated prediction is the same.
    prediction = TASKS[stage].predict(config, state, data, shapes, epoch_seed(fold, tag, 0))
    if prediction.note:
        log.info(f"{tag}, fold {fold}, {part}: {prediction.note}")
    if part == "test":
        _write_details(prediction, layout, tag, fold, data, shapes)
    path = layout.predictions(tag, fold, part)
    _write(path, data.utts, list(shapes.classes), normalize_probs(prediction.probs))
    return path


def _write_details(prediction: Prediction, layout: Layout, tag: str, fold: int, data: Part, shapes: Shapes) -> None:
    """Writes heads.tsv, raters.tsv, attributes.tsv or embeddings.safetensors, where the prediction has them."""
    if prediction.attributes:
        named = prediction.attributes
        _write(layout.attributes(tag, fold), data.utts, list(named), torch.stack(list(named.values()), dim=1))
    if prediction.raters:
        names = list(prediction.raters[0])
        write_tsv(layout.raters(tag, fold), names, ([row[name] for name in names] for row in prediction.raters))
    if prediction.heads:
        columns = prediction.heads
        _write(layout.heads(tag, fold), data.utts, list(columns), torch.stack(list(columns.values()), dim=1))
    if prediction.embeddings is not None:
        arrays = prediction.embeddings.cpu().numpy(), prediction.prototypes.cpu().numpy()
        Embeddings(tuple(data.utts), shapes.classes, *arrays).write(layout.embeddings(tag, fold))


def _write(path: Path, utts: list[str], columns: list[str], values: Tensor) -> None:
    """Writes values (N, K) with the names of utterances and columns.

    Raises:
        DataError: a value is not finite.
    """
    for row, column in torch.nonzero(~values.isfinite())[:1].tolist():
        raise DataError(
            f"{path}: {columns[column]} of '{utts[row]}' is {values[row, column].item()}: its features are too far "
            "from those of the training part, or the weights are not finite; extract the features or train again"
        )
    rows = ([utt, *(f"{value:.8f}" for value in row)] for utt, row in zip(utts, values.tolist(), strict=True))
    write_tsv(path, ["utt", *columns], rows)
