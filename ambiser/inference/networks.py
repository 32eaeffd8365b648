"""Loads the networks of a packed model, and runs them on inputs without votes; torch is imported when they run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ambiser.config import Config
from ambiser.errors import ConfigError, DataError, first_line
from ambiser.inference.model_folder import Member
from ambiser.scoring.calibration import Calibration
from ambiser.scoring.conformal import SetRule

_HEADS = ("A", "T", "AT")


@dataclass(frozen=True)
class Network:
    """One member: its configuration, tensors and sizes (a `Shapes`), its stage, and its file for errors."""

    config: Config
    tensors: dict[str, object]
    shapes: object
    stage: str
    member: Member
    path: Path


@dataclass(frozen=True)
class Output:
    """What one member predicts for N utterances: (N, C) probabilities, by head too, cosines with prototypes, sets."""

    probs: np.ndarray
    heads: dict[str, np.ndarray]
    cosines: np.ndarray | None
    sets: np.ndarray | None = None


def load_network(folder: Path, member: Member, config: Config, *, classes: Sequence[str], stage: str) -> Network:
    """Loads a member of a model with these classes, whose networks come from this training stage.

    Raises:
        DataError: the file is damaged, or has other classes or sizes than the model.
    """
    from ambiser.train.checkpoint import load_best
    from ambiser.train.part import Shapes

    path = folder / member.file
    tensors, facts = load_best(path)
    lacks = [name for name in ("classes", "layers", "dim", "text_dim") if name not in facts]
    if lacks or not isinstance(facts["classes"], list):
        raise DataError(f"{path}: its facts lack {', '.join(lacks) or 'a list of classes'}; pack the model again")
    if facts["classes"] != list(classes):
        found, wanted = ", ".join(facts["classes"]), ", ".join(classes)
        raise DataError(f"{path}: has the classes {found}, the model {wanted}; pack the model again")
    shapes = Shapes(facts["layers"], facts["dim"], facts["text_dim"], tuple(classes))
    network = Network(config, tensors, shapes, stage, member, path)
    try:
        _check_weights(network)
    except (ValueError, TypeError, RuntimeError) as error:
        raise DataError(f"{path}: does not fit {member.config}: {first_line(error)}; pack the model again") from error
    return network


def _check_weights(network: Network) -> None:
    """Checks that the tensors fit the configuration, before a network of its sizes takes memory.

    Fine-tuned encoders are not checked: their sizes are in files of their own.

    Raises:
        ValueError: the first tensor that is missing, unknown or of another shape.
        TypeError, RuntimeError: no network has these sizes.
    """
    import torch

    from ambiser.train.build import build_amber, build_ipr
    from ambiser.train.ipr_checkpoint import IprCheckpoint
    from ambiser.train.rater_task import count_raters

    config, shapes, found = network.config, network.shapes, network.tensors
    if config.learns():
        return
    with torch.device("meta"):
        if network.stage == "distill":
            made = build_amber(config, shapes, count_raters(found))
        else:
            made, found = build_ipr(config, shapes), IprCheckpoint(found).network()
    expected = made.state_dict()
    for name in sorted({*expected, *found}):
        shape, wanted = (tuple(state[name].shape) if name in state else "absent" for state in (found, expected))
        if shape != wanted:
            raise ValueError(f"{name} is {shape}, and {wanted} in the network of the configuration")


def run_network(network: Network, speech: Sequence[np.ndarray], texts: Sequence[np.ndarray | None]) -> Output:
    """Predicts N utterances from their features (or waveforms, tokens), and calibrates.

    Raises:
        ConfigError: the features have other sizes than those of the training.
        DataError: a probability is not finite.
    """
    from ambiser.train.build import TASKS
    from ambiser.train.loop import epoch_seed

    part, classes = _make_part(network, speech, texts), network.shapes.classes
    seed = epoch_seed(network.member.fold, "predict", 0)  # for Monte-Carlo dropout
    made = TASKS[network.stage].predict(network.config, network.tensors, part, network.shapes, seed)
    probs = made.probs.cpu().double().numpy()
    if not np.isfinite(probs).all():
        raise DataError(
            f"{network.path}: predicts probabilities that are not finite; pack the model again, or train it again"
        )
    probs = probs / probs.sum(axis=1, keepdims=True)
    if (fitted := network.member.calibration) is not None:
        probs = Calibration(np.array(fitted.scale), np.array(fitted.bias)).apply(probs)
    cosines = None
    if made.embeddings is not None:
        cosines = (made.embeddings.cpu() @ made.prototypes.cpu().T).double().numpy()  # (N, C)
    heads = [head for head in _HEADS if f"{head}_{classes[0]}" in made.heads]
    by_head = {
        head: np.stack([made.heads[f"{head}_{name}"].cpu().numpy() for name in classes], axis=1) for head in heads
    }
    return Output(probs, by_head, cosines, _sets(network.member, probs))


def _sets(member: Member, probs: np.ndarray) -> np.ndarray | None:
    """Returns the (N, C) prediction sets of the network; None for a model without them."""
    if member.sets is None:
        return None
    rule = {name: value for name, value in vars(member.sets).items() if name != "thresholds"}
    thresholds = np.array([np.inf if value is None else value for value in member.sets.thresholds])
    return SetRule(**rule).sets(probs, thresholds)


def _make_part(network: Network, speech: Sequence[np.ndarray], texts: Sequence[np.ndarray | None]) -> object:
    """Returns a `Part` without votes.

    Raises:
        ConfigError: the features have other sizes than those of the training.
    """
    import torch

    from ambiser.train.device import pick_device
    from ambiser.train.part import Part

    config, n, classes = network.config, len(speech), len(network.shapes.classes)
    device = pick_device(config.train.device) if config.learns() else torch.device("cpu")
    inputs, fits = _speech_inputs(network, speech)
    text, tokens = None, None
    if config.needs_text():
        text = _text_inputs(config, texts)
        tokens = list(texts) if config.reads_tokens() else None
        fits = fits and (config.model.text_encoder == "finetune" or text.shape[1] == network.shapes.text_dim)
    if not fits:
        raise ConfigError(
            f"{network.path}: the encoders give features of another size than in training; check --upstream"
        )
    return Part(
        utts=[f"{row}" for row in range(n)],
        speech=inputs.to(device) if isinstance(inputs, torch.Tensor) else inputs,
        text=None if text is None else text.to(device),
        soft=torch.full((n, classes), 1 / classes, device=device),
        counts=torch.zeros(n, classes, device=device),
        hard=torch.full((n,), -1, device=device),
        kind=torch.full((n,), 2, device=device),
        tokens=tokens,
    )


def _speech_inputs(network: Network, speech: Sequence[np.ndarray]) -> tuple[object, bool]:
    """Returns features or waveforms as a `Part` holds them, and whether their sizes are those of the training."""
    import torch

    from ambiser.train.waveforms import Change, Waveforms

    config, shapes = network.config, network.shapes
    if config.model.encoder == "finetune":
        unused = Change(longest_s=float("inf"))  # only training crops
        return Waveforms([torch.from_numpy(wav) for wav in speech], cut=unused, view=unused), True
    if config.speech_features.form == "pooled":
        stacked = np.stack(speech)  # (N, L, D)
        stacked = stacked[:, -1:].copy() if config.model.layers == "last" else stacked
        return torch.from_numpy(stacked), stacked.shape[1:] == (shapes.layers, shapes.dim)
    return list(speech), all(rows.shape[1] == shapes.layers * shapes.dim for rows in speech)  # N of (T, L·D)


def _text_inputs(config: Config, texts: Sequence[np.ndarray]) -> object:
    """Returns features (N, Dt), or padded tokens (N, K) for a fine-tuned encoder."""
    import torch

    from ambiser.features.upstreams.finetune import NO_TOKEN

    if config.model.text_encoder == "finetune":
        rows = [torch.from_numpy(row) for row in texts]
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=NO_TOKEN)
    return torch.from_numpy(np.stack([rows.mean(axis=0, dtype=np.float64) for rows in texts]).astype(np.float32))
