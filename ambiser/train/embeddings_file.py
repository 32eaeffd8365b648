"""Writes and reads embeddings.safetensors: test embeddings and prototypes, for the figures of the report.

It needs no torch, so that the report can read it quickly.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from ambiser.errors import DataError
from ambiser.io.files import atomic_open, parse_json


@dataclass(frozen=True)
class Embeddings:
    """The contents of the file.

    Attributes:
        utts: N names.
        classes: C names.
        embeddings: (N, P) unit rows.
        prototypes: (C, P) unit rows.
    """

    utts: tuple[str, ...]
    classes: tuple[str, ...]
    embeddings: np.ndarray
    prototypes: np.ndarray

    def write(self, path: Path) -> None:
        """Writes the file by rename."""
        facts = json.dumps({"classes": self.classes, "utts": self.utts}, sort_keys=True)
        tensors = {"embeddings": self.embeddings, "prototypes": self.prototypes}
        with atomic_open(path, "wb") as stream:
            stream.write(safetensors.numpy.save(tensors, metadata={"facts": facts}))


def read_embeddings(path: Path) -> Embeddings:
    """Reads a file that `Embeddings.write` wrote.

    Raises:
        DataError: the file is damaged or of another program.
    """
    try:
        with safetensors.safe_open(str(path), framework="numpy") as stream:
            facts = parse_json((stream.metadata() or {})["facts"])
            arrays = stream.get_tensor("embeddings"), stream.get_tensor("prototypes")
            return Embeddings(tuple(facts["utts"]), tuple(facts["classes"]), *arrays)
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise DataError(f"{path}: cannot be read ({error}); remove it and run stage 7 again") from error
