"""Reads features for training: pooled speech and text as one array, frames as views of memory-mapped arks."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ambiser.errors import DataError
from ambiser.io.ark import as_array, map_matrices, read_alike, read_scp
from ambiser.io.compressed import Compressed
from ambiser.io.files import read_json
from ambiser.io.layout import require
from ambiser.io.mapped_files import MappedFiles

UPSTREAM_RECORD = "upstream.json"


class Frames(Sequence[np.ndarray]):
    """The matrices of utterances, read on access: a read-only view of the ark, or decoded if compressed.

    Args:
        feats_scp: where they are indexed.
        utts: N names.
        matrices: N matrices (T, D).
        arks: the files that they are mapped from.
    """

    def __init__(
        self, feats_scp: Path, utts: Sequence[str], matrices: Sequence[np.ndarray | Compressed], arks: MappedFiles
    ) -> None:
        self._feats_scp, self._utts, self._matrices, self._arks = feats_scp, utts, matrices, arks
        self._checked = np.zeros(len(utts), bool)

    def __len__(self) -> int:
        return len(self._matrices)

    def __getitem__(self, index: int) -> np.ndarray:
        """Returns the matrix of an utterance.

        Raises:
            DataError: the ark changed after it was mapped; at the first access: a value is not finite.
        """
        self._arks.check([index])
        rows = as_array(self._matrices[index])
        if not self._checked[index]:
            check_finite(self._feats_scp, [self._utts[index]], rows[None])
            self._checked[index] = True
        return rows

    @property
    def width(self) -> int:
        """Number of columns of every matrix."""
        return self._matrices[0].shape[1]


def load_pooled(feats_scp: Path, utts: Sequence[str]) -> np.ndarray:
    """Returns pooled speech features, (N, L, D) float32, contiguous, in the order of `utts`.

    Raises:
        DataError: feats.scp or an utterance is missing, or shapes differ.
    """
    entries = _pooled_entries(feats_scp, utts)
    (first,) = map_matrices(entries, utts[:1])
    if len(first.shape) == 2 and (alike := read_alike(entries, utts, first.shape)) is not None:
        return alike
    matrices = _map_alike(feats_scp, entries, utts)
    loaded = np.empty((len(matrices), *first.shape), np.float32)
    for row, matrix in enumerate(matrices):
        loaded[row] = as_array(matrix)
    return loaded


def map_pooled(feats_scp: Path, utts: Sequence[str]) -> tuple[dict[str, str], list[np.ndarray | Compressed]]:
    """Returns the entries of pooled speech features, and their mapped matrices (L, D) in the order of `utts`.

    Raises:
        DataError: as `load_pooled`.
    """
    entries = _pooled_entries(feats_scp, utts)
    return entries, _map_alike(feats_scp, entries, utts)


def check_finite(feats_scp: Path, utts: Sequence[str], features: np.ndarray) -> None:
    """Checks the features (N, ...) of N utterances.

    Raises:
        DataError: a value is not finite.
    """
    if not np.isfinite(features).all():
        bad = next(utt for utt, rows in zip(utts, features, strict=True) if not np.isfinite(rows).all())
        raise DataError(
            f"{feats_scp}: the features of '{bad}' hold values that are not finite; extract them again (stage 2)"
        )


def mapped_arks(entries: dict[str, str], utts: Sequence[str]) -> MappedFiles:
    """Returns the arks of utterances, to notice if they change."""
    return MappedFiles([entries[utt].rpartition(":")[0] for utt in utts])


def load_text(feats_scp: Path, utts: Sequence[str]) -> np.ndarray:
    """Returns text features, (N, Dt) float32, in the order of `utts`; tokens are averaged.

    Raises:
        DataError: as `load_frames`, or a value is not finite.
    """
    return np.stack([rows.mean(axis=0, dtype=np.float64) for rows in load_frames(feats_scp, utts)]).astype(np.float32)


def load_frames(feats_scp: Path, utts: Sequence[str]) -> Frames:
    """Returns the (T, D) frames, or tokens, of each utterance; they are read on access.

    Raises:
        DataError: feats.scp or an utterance is missing, or widths differ.
    """
    entries = _entries(feats_scp, utts)
    matrices = map_matrices(entries, utts)
    for utt, matrix in zip(utts, matrices, strict=True):
        if len(matrix.shape) != 2 or matrix.shape[1] != matrices[0].shape[1]:
            raise DataError(
                f"{feats_scp}: '{utt}' has shape {matrix.shape}, '{utts[0]}' {matrices[0].shape}; widths must agree"
            )
    return Frames(feats_scp, utts, matrices, mapped_arks(entries, utts))


def load_layers(feats_scp: Path) -> int:
    """Returns the number of layers in frames of all layers.

    Raises:
        DataError: the record of the upstream, which stage 2 writes, is missing.
    """
    return int(read_json(require(feats_scp.parent / UPSTREAM_RECORD, "extract"))["layers"])


def _entries(feats_scp: Path, utts: Sequence[str]) -> dict[str, str]:
    """Returns the entries of feats.scp, and checks that it has all of these utterances."""
    entries = read_scp(require(feats_scp, "extract"))
    missing = [utt for utt in utts if utt not in entries]
    if missing:
        others = f" and {len(missing) - 1} others" if missing[1:] else ""
        raise DataError(
            f"{feats_scp}: has no features of '{missing[0]}'{others}; "
            "stage 2 (extract) writes them: ./run.sh --stage 2 --stop_stage 2"
        )
    return entries


def _pooled_entries(feats_scp: Path, utts: Sequence[str]) -> dict[str, str]:
    """Returns the entries of feats.scp, and checks that utterances were requested."""
    if not utts:
        raise DataError(f"{feats_scp}: no utterances were requested")
    return _entries(feats_scp, utts)


def _map_alike(feats_scp: Path, entries: dict[str, str], utts: Sequence[str]) -> list[np.ndarray | Compressed]:
    """Maps matrices and checks that all have one shape."""
    matrices = map_matrices(entries, utts)
    for utt, matrix in zip(utts, matrices, strict=True):
        if matrix.shape != matrices[0].shape:
            raise DataError(
                f"{feats_scp}: '{utt}' has shape {matrix.shape}, '{utts[0]}' {matrices[0].shape}; they are not pooled "
                "features of one upstream; extract them again (./run.sh --stage 2 --stop_stage 2)"
            )
    return matrices
