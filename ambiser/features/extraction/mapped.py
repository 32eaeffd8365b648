"""Gathers pooled features in batches from mapped arks, for corpora whose features are large beside the memory.

All jobs of a machine share the mapped pages through the system's page cache, so a job's own memory does not grow with
the corpus.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ambiser.features.extraction.stored import check_finite, map_pooled, mapped_arks
from ambiser.io.ark import as_array
from ambiser.launch.resources import total_memory_bytes

SHARE_OF_MEMORY = 1 / 8
"""`train.pooled_features: auto` maps features that are larger than this share of the machine's memory."""
_CHUNK = 256  # utterances per array in a pass over all of them


class MappedPooled:
    """Pooled features (N, L, D) that stay in their arks.

    Args:
        feats_scp: the index of the arks.
        utts: N names.
        last_layer: whether only the last layer is kept, which makes (N, 1, D).

    Raises:
        DataError: feats.scp or an utterance is missing, or shapes differ.
    """

    def __init__(self, feats_scp: Path, utts: Sequence[str], *, last_layer: bool) -> None:
        entries, self._matrices = map_pooled(feats_scp, utts)
        self._arks = mapped_arks(entries, utts)
        self._feats_scp, self._utts, self._first = feats_scp, utts, -1 if last_layer else 0
        layers, dim = self._matrices[0].shape
        self.shape = (len(utts), 1 if last_layer else layers, dim)
        self.nbytes = 4 * math.prod(self.shape)

    def __len__(self) -> int:
        return len(self._matrices)

    def gather(self, index: Sequence[int]) -> np.ndarray:
        """Returns the features (B, L, D) float32 of utterances.

        Raises:
            DataError: an ark changed after it was mapped, or a value is not finite.
        """
        self._arks.check(index)
        rows = np.empty((len(index), *self.shape[1:]), np.float32)  # (B, L, D)
        for row, utt in enumerate(index):
            rows[row] = as_array(self._matrices[utt])[self._first :]
        check_finite(self._feats_scp, [self._utts[i] for i in index], rows)
        return rows

    def chunks(self) -> Iterator[np.ndarray]:
        """Yields the features of all utterances in order, (n, L, D) each."""
        for first in range(0, len(self), _CHUNK):
            yield self.gather(range(first, min(first + _CHUNK, len(self))))


def is_mapped(choice: str, folder: Path) -> bool:
    """Whether pooled features are mapped.

    Args:
        choice: memory, mapped or auto, the value of `train.pooled_features`.
        folder: of the features.
    """
    if choice != "auto":
        return choice == "mapped"
    return sum(ark.stat().st_size for ark in folder.glob("*.ark")) > SHARE_OF_MEMORY * total_memory_bytes()
