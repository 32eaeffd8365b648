"""Reads extracted features for training: pooled speech and text as one array, frames as views of the mapped arks."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ambiser.errors import DataError
from ambiser.io.ark import read_matrices, read_scp
from ambiser.io.layout import require


def load_pooled(feats_scp: Path, utts: Sequence[str]) -> np.ndarray:
    """Returns pooled speech features, (N, L, D) float32, contiguous, in the order of `utts`.

    Raises:
        DataError: feats.scp or an utterance is missing, or shapes differ.
    """
    matrices = _matrices(feats_scp, utts)
    if not matrices:
        raise DataError(f"{feats_scp}: no utterances were asked for")
    loaded = np.empty((len(matrices), *matrices[0].shape), np.float32)
    for row, (utt, matrix) in enumerate(zip(utts, matrices, strict=True)):
        if matrix.shape != loaded.shape[1:]:
            raise DataError(
                f"{feats_scp}: '{utt}' has shape {matrix.shape}, '{utts[0]}' {loaded.shape[1:]}; these are no pooled "
                "features of one upstream; extract them again (./run.sh --stage 2 --stop_stage 2)"
            )
        loaded[row] = matrix
    return loaded


def load_text(feats_scp: Path, utts: Sequence[str]) -> np.ndarray:
    """Returns text features, (N, Dt) float32, in the order of `utts`; tokens are averaged.

    Raises:
        DataError: as `load_frames`.
    """
    return np.stack([rows.mean(axis=0, dtype=np.float64) for rows in load_frames(feats_scp, utts)]).astype(np.float32)


def load_frames(feats_scp: Path, utts: Sequence[str]) -> list[np.ndarray]:
    """Returns the (T, D) frames, or tokens, of each utterance as read-only views of the mapped arks, not read yet.

    Raises:
        DataError: feats.scp or an utterance is missing, or widths differ.
    """
    matrices = _matrices(feats_scp, utts)
    for utt, matrix in zip(utts, matrices, strict=True):
        if matrix.ndim != 2 or matrix.shape[1] != matrices[0].shape[1]:
            raise DataError(
                f"{feats_scp}: '{utt}' has shape {matrix.shape}, '{utts[0]}' {matrices[0].shape}; widths must agree"
            )
    return matrices


def _matrices(feats_scp: Path, utts: Sequence[str]) -> list[np.ndarray]:
    entries = read_scp(require(feats_scp, "extract_features"))
    missing = [utt for utt in utts if utt not in entries]
    if missing:
        others = f" and {len(missing) - 1} others" if missing[1:] else ""
        raise DataError(
            f"{feats_scp}: has no features of '{missing[0]}'{others}; "
            "stage 2 (extract_features) writes them: ./run.sh --stage 2 --stop_stage 2"
        )
    return read_matrices({utt: entries[utt] for utt in utts}, utts)
