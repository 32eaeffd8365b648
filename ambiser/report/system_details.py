"""Loads what the page shows besides predictions: embeddings and prototypes (IPR), and all heads (stage 6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ambiser.errors import DataError
from ambiser.io.tables import read_tsv
from ambiser.scoring.groups import Fold
from ambiser.scoring.utterance_scores import jsd_bits

HEADS = {"A": "speech", "T": "text", "AT": "speech + text"}
"""The input of each head."""


@dataclass(frozen=True)
class Heads:
    """Probabilities (N, C) of every head and weights (N,) of every teacher, in the order of the fold's utterances."""

    probs: dict[str, np.ndarray]
    weights: dict[str, np.ndarray]

    def conflict(self) -> np.ndarray:
        """Returns (N,) Jensen-Shannon divergences in bits between the heads for speech and for text."""
        return jsd_bits(self.probs["A"], self.probs["T"])


@dataclass(frozen=True)
class Detail:
    """A fold, and beside it embeddings (N, P) of the named utterances and prototypes (C, P), or heads."""

    fold: Fold
    embeddings: np.ndarray | None = None
    prototypes: np.ndarray | None = None
    names: tuple[str, ...] = ()
    heads: Heads | None = None


def read_heads(path: Path, utts: Sequence[str]) -> Heads:
    """Reads heads.tsv for the named utterances.

    Raises:
        DataError: an utterance is missing, or a value is not a number.
    """
    rows = {row["utt"]: row for row in read_tsv(path, ["utt"])}
    missing = [utt for utt in utts if utt not in rows]
    if missing:
        raise DataError(f"{path}: '{missing[0]}' is missing; remove the file and run stage 7 again")
    columns = [name for name in next(iter(rows.values()), {}) if name != "utt"]
    try:
        values = {name: np.array([float(rows[utt][name]) for utt in utts]) for name in columns}
    except ValueError as error:
        raise DataError(f"{path}: {error}; remove the file and run stage 7 again") from error
    weights = {name.removeprefix("weight_"): column for name, column in values.items() if name.startswith("weight_")}
    heads = dict.fromkeys(name.partition("_")[0] for name in values)  # entropies and the like follow from these
    probs = {
        head: np.stack([column for name, column in values.items() if name.partition("_")[0] == head], axis=1)
        for head in heads
        if head in HEADS
    }
    return Heads(probs, weights)
