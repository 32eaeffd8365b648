"""Exports the heads of a packed model to ONNX: from features to the mean distribution of all members."""

import warnings
from pathlib import Path

from ambiser.config import Config
from ambiser.errors import ConfigError
from ambiser.inference.model_folder import ONNX, Member
from ambiser.inference.networks import load_network
from ambiser.io.files import atomic_open

_OPSET = 18


def check_onnx() -> None:
    """Checks before any work that the package onnx is there.

    Raises:
        ConfigError: it is not.
    """
    try:
        import onnx  # noqa: F401 - torch needs it
    except ImportError as error:
        raise ConfigError("--onnx needs the package onnx; run pip install onnx") from error


def export_heads(folder: Path, members: list[Member], configs: dict[str, Config], classes: list[str]) -> Path:
    """Writes heads.onnx: inputs `speech` (n, L, D) and, for models with text, `text` (n, Dt); output `probs` (n, C).

    Features are pooled as stage 2 stores them, and with `model.layers: last` only the last layer; `text` is a row of
    zeros for an utterance without words.

    Args:
        folder: of the model, with the weights of its members.
        members: of the model.
        configs: by their names in the members.
        classes: the C names, in the order of the output.

    Returns:
        The path of the file.

    Raises:
        ConfigError: the heads have no form in ONNX (frames, Monte-Carlo dropout, Gaussian prototypes).
    """
    import torch

    from ambiser.train import heads_module

    stage = configs[members[0].config].stages[-1]
    networks = [load_network(folder, one, configs[one.config], classes=classes, stage=stage) for one in members]
    fitted = [None if one.calibration is None else (one.calibration.scale, one.calibration.bias) for one in members]
    heads = heads_module.Heads(
        [
            heads_module.Member(one.config, one.tensors, one.shapes, fit)
            for one, fit in zip(networks, fitted, strict=True)
        ]
    ).eval()
    shapes, has_text = networks[0].shapes, networks[0].config.needs_text()
    inputs = [torch.randn(3, shapes.layers, shapes.dim), *([torch.randn(3, shapes.text_dim)] if has_text else [])]
    names = ["speech", *(["text"] if has_text else [])]
    with atomic_open(folder / ONNX, "wb") as stream, warnings.catch_warnings(), torch.no_grad():
        # The newer exporter needs two more packages; this one writes the same graph for such small networks.
        for kind in (DeprecationWarning, torch.jit.TracerWarning):  # the number of layers is constant
            warnings.simplefilter("ignore", kind)
        torch.onnx.export(
            heads,
            tuple(inputs),
            stream,
            dynamo=False,
            opset_version=_OPSET,
            input_names=names,
            output_names=["probs"],
            dynamic_axes={name: {0: "n"} for name in [*names, "probs"]},
        )
    return folder / ONNX
