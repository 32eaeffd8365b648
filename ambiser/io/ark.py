"""Kaldi arks without Kaldi's risks: binary float matrices only, `path:offset` only, nothing is executed.

Kaldi's scp files may hold commands (`cmd |`), and arks read by other libraries may hold pickles or audio. None of
that is accepted here. Uncompressed matrices and vectors are memory-mapped; Kaldi's compressed matrices (CM, CM2, CM3)
are decoded by kaldiio after the header was checked.
"""

import contextlib
import math
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO

import kaldiio
import numpy as np

from ambiser.errors import DataError
from ambiser.io.files import atomic_open
from ambiser.io.tables import read_table

_DTYPES = {b"FM ": np.dtype("<f4"), b"DM ": np.dtype("<f8"), b"FV ": np.dtype("<f4"), b"DV ": np.dtype("<f8")}
_COMPRESSED = (b"CM ", b"CM2", b"CM3")


class ArkWriter:
    """Writes float matrices to an open ark; `entries` are those of the scp, `file:offset` by key, in this order."""

    def __init__(self, path: Path, stream: IO[bytes]) -> None:
        self.entries: dict[str, str] = {}
        self._path, self._stream = path, stream

    def add(self, key: str, matrix: np.ndarray) -> None:
        """Writes a (rows, columns) array, as float32 unless it is float64.

        Raises:
            DataError: the array has not two dimensions or holds a value that is not finite.
        """
        matrix = np.asarray(matrix)
        if matrix.ndim != 2 or matrix.size == 0:
            raise DataError(f"{self._path}: '{key}' must be a matrix with rows and columns, got shape {matrix.shape}")
        if not np.isfinite(matrix).all():
            raise DataError(f"{self._path}: '{key}' holds values that are not finite")
        matrix = np.ascontiguousarray(matrix, dtype="<f8" if matrix.dtype == np.float64 else "<f4")
        self._stream.write(key.encode("utf-8") + b" ")
        self.entries[key] = f"{self._path.name}:{self._stream.tell()}"
        token = b"DM " if matrix.itemsize == 8 else b"FM "
        self._stream.write(b"\0B" + token + struct.pack("<bibi", 4, matrix.shape[0], 4, matrix.shape[1]))
        self._stream.write(matrix.data)


@contextlib.contextmanager
def open_ark(path: Path) -> Iterator[ArkWriter]:
    """Opens a binary ark for writing; it appears by rename when the block ends without an error.

    Raises:
        DataError: it cannot be written, or as `ArkWriter.add`.
    """
    with atomic_open(path, "wb") as stream:
        yield ArkWriter(Path(path), stream)


def write_ark(path: Path, matrices: Iterable[tuple[str, np.ndarray]]) -> dict[str, str]:
    """Writes pairs of key and matrix to a binary ark (see `ArkWriter.add`), and returns the scp entries."""
    with open_ark(path) as ark:
        for key, matrix in matrices:
            ark.add(key, matrix)
    return ark.entries


def read_matrix(entry: str, key: str = "") -> np.ndarray:
    """Reads the matrix at a `path:offset` entry; uncompressed ones are read-only views of the mapped file.

    Raises:
        DataError: the entry is a command, has no offset, or does not lead to a whole Kaldi matrix.
    """
    path, offset = _split_entry(entry, key)
    where = f"{path}:{offset}" + (f" ({key})" if key else "")
    try:
        with open(path, "rb") as stream:
            stream.seek(offset)
            head = stream.read(15)
            if head[:2] != b"\0B":
                raise DataError(f"{where}: no binary Kaldi matrix stands here; extract the features again (stage 2)")
            token = head[2:5]
            if token in _COMPRESSED:
                stream.seek(offset)
                return kaldiio.matio.read_kaldi(stream)
    except OSError as error:
        raise DataError(f"{where}: cannot be read: {error.strerror or error}; run stage 2 again") from error
    except (ValueError, AssertionError, struct.error) as error:
        raise DataError(f"{where}: the compressed matrix is damaged; extract the features again (stage 2)") from error
    return _map_matrix(_map_ark(path), offset, head, where)


def read_matrices(entries: Mapping[str, str], keys: Iterable[str]) -> list[np.ndarray]:
    """Reads many matrices as `read_matrix` does, but maps every ark once; the order is that of the keys."""
    arks: dict[str, np.ndarray] = {}
    matrices = []
    for key in keys:
        path, offset = _split_entry(entries[key], key)
        if path not in arks:
            arks[path] = _map_ark(path)
        ark = arks[path]
        head = ark[offset : offset + 15].tobytes()
        if head[:2] == b"\0B" and head[2:5] in _DTYPES:
            matrices.append(_map_matrix(ark, offset, head, f"{path}:{offset} ({key})"))
        else:
            matrices.append(read_matrix(entries[key], key))
    return matrices


def _map_ark(path: str) -> np.ndarray:
    try:
        return np.memmap(path, dtype=np.uint8, mode="r").view(np.ndarray)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read: {reason}; run stage 2 again") from error


def _map_matrix(ark: np.ndarray, offset: int, head: bytes, where: str) -> np.ndarray:
    token = head[2:5]
    dtype = _DTYPES.get(token)
    if dtype is None:
        raise DataError(f"{where}: {token!r} is no matrix type that is read here (FM, DM, FV, DV, CM)")
    is_vector = token[1:2] == b"V"
    header = 5 + (5 if is_vector else 10)
    if len(head) < header:
        raise DataError(f"{where}: the ark ends inside a header; extract the features again (stage 2)")
    sizes = struct.unpack("<bi", head[5:10]) if is_vector else struct.unpack("<bibi", head[5:15])
    shape = sizes[1::2]
    if any(mark != 4 for mark in sizes[::2]) or min(shape) < 0:
        raise DataError(f"{where}: the sizes in the header make no sense; extract the features again (stage 2)")
    start = offset + header
    end = start + math.prod(shape) * dtype.itemsize
    if end > len(ark):
        raise DataError(f"{where}: the ark is cut off: {end} bytes needed, {len(ark)} there")
    return ark[start:end].view(dtype).reshape(shape)


def read_scp(path: Path) -> dict[str, str]:
    """Reads feats.scp and checks that every entry is `path:offset`; relative paths count from the scp's folder.

    Raises:
        DataError: an entry is a command or lacks an offset.
    """
    path = Path(path)
    entries = {}
    for key, entry in read_table(path).items():
        ark, offset = _split_entry(entry, f"{path}: {key}")
        entries[key] = f"{path.parent / ark}:{offset}"
    return entries


def _split_entry(entry: str, key: str) -> tuple[str, int]:
    path, colon, offset = entry.rpartition(":")
    if entry.lstrip().startswith("|") or entry.rstrip().endswith("|") or not colon or not offset.isdigit():
        raise DataError(f"{key}: {entry!r} is not of the form path:offset; commands and ranges are not run")
    return path, int(offset)
