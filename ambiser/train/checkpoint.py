"""Checkpoints: last.pt to go on from within a stage, best.safetensors as what a stage leaves behind."""

import io
import json
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from ambiser.errors import DataError
from ambiser.io.files import atomic_open


def save_progress(path: Path, progress: dict) -> None:
    """Writes the state of a training (tensors, numbers, lists and dicts only), by rename.

    Raises:
        DataError: it cannot be written (a full disk).
    """
    buffer = io.BytesIO()  # torch turns a full disk into an error of its own, without the file's name
    torch.save(progress, buffer)
    with atomic_open(path, "wb") as stream:
        stream.write(buffer.getbuffer())


def load_progress(path: Path) -> dict | None:
    """Reads the state of a training, or returns None when there is none; nothing in the file is executed.

    Raises:
        DataError: the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise DataError(
            f"{path}: cannot be read ({type(error).__name__}); remove it to start the stage afresh"
        ) from error


def save_best(path: Path, state: dict[str, Tensor], facts: dict[str, object]) -> None:
    """Writes tensors with a few facts (JSON in the header), by rename."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    with atomic_open(path, "wb") as stream:
        stream.write(safetensors.torch.save(tensors, metadata={"facts": json.dumps(facts, sort_keys=True)}))


def load_best(path: Path) -> tuple[dict[str, Tensor], dict[str, object]]:
    """Reads what `save_best` wrote.

    Raises:
        DataError: the file is damaged or was not written by `save_best`.
    """
    try:
        with safetensors.safe_open(str(path), framework="pt") as stream:
            facts = json.loads((stream.metadata() or {})["facts"])
            return {name: stream.get_tensor(name) for name in stream.keys()}, facts  # noqa: SIM118 - no dict
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise DataError(
            f"{path}: is no checkpoint of this toolkit ({error}); remove it and run its stage again"
        ) from error
