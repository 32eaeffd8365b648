"""Writes and reads checkpoints: last.pt to resume a stage, best.safetensors as its result."""

import copy
import io
import json
import time
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from ambiser.errors import DataError
from ambiser.io.files import atomic_open, parse_json
from ambiser.io.packed import check_stored


class Progress:
    """Writes last.pt at most once per interval, and its latest state when an exception (Ctrl-C) leaves the block.

    A killed training loses at most the interval.
    """

    def __init__(self, path: Path, every_s: float) -> None:
        self._path, self._every_s = path, every_s
        self._written = time.monotonic()
        self._unwritten: dict | None = None

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        if kind is not None and self._unwritten is not None:
            save_progress(self._path, self._unwritten)

    def add(self, progress: dict) -> None:
        """Writes the state of a training, or keeps a copy: the next step changes weights in place."""
        self._unwritten = progress
        if time.monotonic() - self._written < self._every_s:
            self._unwritten = copy.deepcopy(progress)
            return
        save_progress(self._path, progress)
        self._written, self._unwritten = time.monotonic(), None


def save_progress(path: Path, progress: dict) -> None:
    """Writes the state of a training (only tensors, numbers, lists and dicts), by rename.

    Raises:
        DataError: the file cannot be written (a full disk).
    """
    # Into memory first: torch reports a full disk as an error of its own, without the name of the file.
    buffer = io.BytesIO()
    torch.save(progress, buffer)
    with atomic_open(path, "wb") as stream:
        stream.write(buffer.getbuffer())


def load_progress(path: Path) -> dict | None:
    """Reads the state of a training, or returns None without a file; executes nothing in the file.

    Raises:
        DataError: the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        check_stored(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise DataError(f"{path}: cannot be read ({type(error).__name__}); remove it to restart the stage") from error


def save_best(path: Path, state: dict[str, Tensor], facts: dict[str, object]) -> None:
    """Writes tensors, with facts as JSON in the header, by rename."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    with atomic_open(path, "wb") as stream:
        stream.write(safetensors.torch.save(tensors, metadata={"facts": json.dumps(facts, sort_keys=True)}))


def load_facts(path: Path) -> dict[str, object]:
    """Reads the facts that `save_best` wrote, and no tensor.

    Raises:
        DataError: the file is damaged or was not written by `save_best`.
    """
    try:
        with safetensors.safe_open(str(path), framework="pt") as stream:
            return _facts(stream)
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise _not_a_checkpoint(path, error) from error


def load_best(path: Path) -> tuple[dict[str, Tensor], dict[str, object]]:
    """Reads tensors and facts that `save_best` wrote.

    Raises:
        DataError: the file is damaged or was not written by `save_best`.
    """
    try:
        with safetensors.safe_open(str(path), framework="pt") as stream:
            facts = _facts(stream)
            return {name: stream.get_tensor(name) for name in stream.keys()}, facts  # noqa: SIM118 - no dict
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise _not_a_checkpoint(path, error) from error


def _facts(stream: object) -> dict[str, object]:
    facts = parse_json((stream.metadata() or {})["facts"])
    if not isinstance(facts, dict):
        raise ValueError("its facts are no JSON object")
    return facts


def _not_a_checkpoint(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: not a checkpoint of this toolkit ({error}); remove it and run its stage again")
