"""Computes mean and deviation of features in one pass over rows, and keeps those of large features in a file."""

import contextlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ambiser.errors import DataError
from ambiser.io.files import atomic_open, digest

KEPT_FROM_BYTES = 2**26
"""Statistics of smaller features are computed again: that takes less time than to keep them."""
_TAIL = 64  # torch sums the last columns, up to this many, in another order
_LEVELS = 4


class RowMoments:
    """Mean and deviation over rows, with the bytes of `x.mean(dim=0)` and `x.std(dim=0, unbiased=False)` on a CPU.

    torch adds float32 rows in four levels: level 0 sums blocks of a power of two of rows, and each higher level sums as
    many block sums of the level below. It computes deviations by Welford's method in float64. Training from mapped
    features thus gives the bytes of training from memory; a test compares the two.

    Args:
        count: N, number of rows that will be added.
        width: number of columns.
    """

    def __init__(self, count: int, width: int) -> None:
        self._count, self._added = count, 0
        self._bits = max(4, (count - 1).bit_length() // _LEVELS)
        self._sums = np.zeros((_LEVELS, width), np.float32)
        self._tail = np.empty((count, width % _TAIL), np.float32)
        self._mean, self._squares = np.zeros(width), np.zeros(width)  # float64

    def add(self, row: np.ndarray) -> None:
        """Adds a row (width,) float32."""
        self._tail[self._added] = row[len(row) - self._tail.shape[1] :]
        self._added += 1
        self._sums[0] += row
        block = (1 << self._bits) - 1
        level = 0
        while level < _LEVELS - 1 and not self._added & (block << (level * self._bits)):
            self._sums[level + 1] += self._sums[level]
            self._sums[level] = 0
            level += 1
        off = row - self._mean
        self._mean += off / self._added
        off *= row - self._mean
        self._squares += off

    def result(self) -> tuple[Tensor, Tensor]:
        """Returns mean and deviation, (width,) float32 each."""
        total = self._sums[0]
        for level in self._sums[1:]:
            total = total + level
        mean = torch.from_numpy(total / np.float32(self._count))
        if tail := self._tail.shape[1]:
            mean[-tail:] = torch.from_numpy(self._tail).mean(dim=0)
        return mean, torch.from_numpy(np.sqrt(self._squares / self._count).astype(np.float32))


def pooled_moments(count: int, chunks: Iterable[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Returns mean and deviation, (L, D) each, of `count` pooled features that come in chunks (n, L, D)."""
    moments, shape = None, ()
    for chunk in chunks:
        shape = chunk.shape[1:]
        moments = moments or RowMoments(count, int(np.prod(shape)))
        for row in chunk.reshape(len(chunk), -1):  # (L·D,)
            moments.add(row)
    mean, deviation = moments.result()
    return mean.reshape(shape), deviation.reshape(shape)


def frame_moments(matrices: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Returns mean and deviation (D,) of all rows of the matrices, read one by one to bound the memory."""
    count = sum(len(rows) for rows in matrices)
    mean = sum(rows.sum(axis=0, dtype=np.float64) for rows in matrices) / count
    # A second pass: the mean of squares minus the squared mean would cancel in features with a large mean.
    square = sum(((rows - mean) ** 2).sum(axis=0) for rows in matrices) / count
    # float64 up to here: float32 sums over millions of frames lose digits.
    return torch.from_numpy(mean.astype(np.float32)), torch.from_numpy(np.sqrt(square).astype(np.float32))


def statistics_file(feats_scp: Path, utts: Sequence[str], *facts: object) -> Path:
    """Returns the path of kept statistics; the name depends on all that shapes them.

    Args:
        feats_scp: the index of the features.
        utts: the utterances whose features are measured.
        facts: what else shapes them, such as the form and the device.
    """
    arks = [(ark.name, ark.stat().st_size, ark.stat().st_mtime_ns) for ark in sorted(feats_scp.parent.glob("*.ark"))]
    known = digest(feats_scp.read_bytes(), "\n".join(utts), str((arks, facts, torch.__version__, np.__version__)))
    return feats_scp.parent / "statistics" / f"{known[:16]}.safetensors"


def kept(path: Path | None, compute: Callable[[], tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Returns the statistics in a file, or computes and keeps them; a file that is no use is written again.

    Args:
        path: from `statistics_file`; None: compute them and keep nothing.
        compute: returns mean and deviation.
    """
    if path is not None:
        with contextlib.suppress(OSError, SafetensorError, KeyError):
            tensors = load(path.read_bytes())
            return tensors["mean"], tensors["deviation"]
    mean, deviation = compute()
    if path is not None:
        # A folder that cannot be written, such as that of another user, is no reason to stop.
        with contextlib.suppress(DataError), atomic_open(path, "wb") as stream:
            stream.write(save({"mean": mean.cpu().contiguous(), "deviation": deviation.cpu().contiguous()}))
    return mean, deviation
