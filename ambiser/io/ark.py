"""Reads and writes Kaldi arks safely: binary float matrices and `path:offset` entries only.

In Kaldi an scp may hold commands (`cmd |`), and other libraries read pickles and audio from arks. This module refuses
all of these. Uncompressed matrices and vectors, and two-byte ones (CM2), are memory-mapped; Kaldi's other
compressed matrices (CM, CM3) are decoded by kaldiio after a check of the header.
"""

import contextlib
import math
import re
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import kaldiio
import numpy as np

from ambiser.errors import DataError
from ambiser.io.compressed import HEADER_BYTES, Compressed, compress, parse_header
from ambiser.io.files import atomic_open
from ambiser.io.mapped_files import allow_open_files, map_file
from ambiser.io.tables import read_table

_DTYPES = {b"FM ": np.dtype("<f4"), b"DM ": np.dtype("<f8"), b"FV ": np.dtype("<f4"), b"DV ": np.dtype("<f8")}
_OTHERS = (b"CM ", b"CM3")
_HALF = b"CM2"
_LONGEST_HEADER = max(15, HEADER_BYTES)
_OFFSET = re.compile(r"[0-9]{1,18}")


class ArkWriter:
    """Writes float matrices to an open ark.

    Attributes:
        entries: the scp entries, `file:offset` by key, in the order of writing.
        errors: with `half`, the largest absolute error of a value, and the largest relative error of a matrix (norm of
            the error divided by the norm of the matrix).
    """

    def __init__(self, path: Path, stream: IO[bytes], half: bool) -> None:
        self.entries: dict[str, str] = {}
        self.errors = (0.0, 0.0)
        self._path, self._stream, self._half = path, stream, half

    def add(self, key: str, matrix: np.ndarray) -> None:
        """Writes a (rows, columns) array, as float32 unless it is float64, or with 2 bytes per value.

        Raises:
            DataError: the array does not have two dimensions, is empty, or holds a value that is not finite.
        """
        matrix = np.asarray(matrix)
        if matrix.ndim != 2 or matrix.size == 0:
            raise DataError(f"{self._path}: '{key}' must be a matrix with rows and columns, got shape {matrix.shape}")
        if not np.isfinite(matrix).all():
            raise DataError(f"{self._path}: '{key}' holds a value that is not finite")
        self._stream.write(key.encode("utf-8") + b" ")
        self.entries[key] = f"{self._path.name}:{self._stream.tell()}"
        if self._half:
            stored = compress(matrix)
            self._note_errors(matrix, stored.decode())
            self._stream.write(stored.header())
            self._stream.write(stored.codes.data)
            return
        matrix = np.ascontiguousarray(matrix, dtype="<f8" if matrix.dtype == np.float64 else "<f4")
        token = b"DM " if matrix.itemsize == 8 else b"FM "
        self._stream.write(b"\0B" + token + struct.pack("<bibi", 4, matrix.shape[0], 4, matrix.shape[1]))
        self._stream.write(matrix.data)

    def _note_errors(self, matrix: np.ndarray, stored: np.ndarray) -> None:
        off = stored.astype(np.float64) - matrix
        length = float(np.linalg.norm(matrix))
        share = float(np.linalg.norm(off)) / length if length else 0.0
        self.errors = (max(self.errors[0], float(np.abs(off).max())), max(self.errors[1], share))


@contextlib.contextmanager
def open_ark(path: Path, *, half: bool = False) -> Iterator[ArkWriter]:
    """Opens a binary ark for writing; it appears by rename when the block ends without an error.

    Args:
        path: the ark.
        half: store 2 bytes per value (Kaldi's CM2) instead of 4.

    Raises:
        DataError: the ark cannot be written, or as `ArkWriter.add`.
    """
    with atomic_open(path, "wb") as stream:
        yield ArkWriter(Path(path), stream, half)


def read_matrix(entry: str, key: str = "") -> np.ndarray:
    """Reads the matrix at a `path:offset` entry; an uncompressed one is a read-only view of the mapped file.

    Raises:
        DataError: the entry is a command, has no offset, or does not point to a complete Kaldi matrix.
    """
    return read_matrices({key: entry}, [key])[0]


def read_matrices(entries: Mapping[str, str], keys: Iterable[str]) -> list[np.ndarray]:
    """Reads many matrices as `read_matrix` does, in the order of the keys; maps every ark once."""
    return [as_array(matrix) for matrix in map_matrices(entries, keys)]


def read_alike(entries: Mapping[str, str], keys: Sequence[str], shape: tuple[int, int]) -> np.ndarray | None:
    """Reads float32 matrices of one shape into one array, with one comparison for all headers of an ark.

    Returns:
        (N, rows, columns) float32 in the order of the keys, or None if a matrix has another type or shape or is
        damaged; `map_matrices` then handles them, and names the damaged one.

    Raises:
        DataError: an entry is a command, has no offset, or its ark cannot be read.
    """
    wanted = b"\0BFM " + struct.pack("<bibi", 4, shape[0], 4, shape[1])
    header, size = len(wanted), len(wanted) + 4 * math.prod(shape)
    by_ark: dict[str, list[tuple[int, int]]] = {}
    for row, key in enumerate(keys):
        path, offset = _split_entry(entries[key], key)
        by_ark.setdefault(path, []).append((row, offset))
    stacked = np.empty((len(keys), *shape), np.float32)  # (N, rows, columns)
    flat = stacked.reshape(len(keys), -1).view(np.uint8)  # (N, rows * columns * 4), the same memory as bytes
    for path, places in by_ark.items():
        ark = map_file(path)
        offsets = np.array([offset for _, offset in places])
        if offsets.max() + size > len(ark):
            return None
        # (matrices in this ark, header): one fancy index instead of a Python loop over the headers
        if (ark[offsets[:, None] + np.arange(header)] != np.frombuffer(wanted, np.uint8)).any():
            return None
        for row, offset in places:
            flat[row] = ark[offset + header : offset + size]
    return stacked


def as_array(matrix: np.ndarray | Compressed) -> np.ndarray:
    """Returns the values of a mapped matrix; decodes a compressed one."""
    return matrix.decode() if isinstance(matrix, Compressed) else matrix


def map_matrices(entries: Mapping[str, str], keys: Iterable[str]) -> list[np.ndarray | Compressed]:
    """Maps many matrices without reading them; two-byte matrices stay compressed until use.

    Raises:
        DataError: as `read_matrix`.
    """
    arks: dict[str, np.ndarray] = {}
    matrices = []
    allow_open_files()
    for key in keys:
        path, offset = _split_entry(entries[key], key)
        if path not in arks:
            arks[path] = map_file(path)
        ark = arks[path]
        head = ark[offset : offset + _LONGEST_HEADER].tobytes()  # shorter at the end of the ark; checked below
        where = f"{path}:{offset}" + (f" ({key})" if key else "")
        if head[:2] == b"\0B" and head[2:5] in _OTHERS:
            matrices.append(_decode_other(path, offset, head, len(ark), where))
        else:
            matrices.append(_map_matrix(ark, offset, head, where))
    return matrices


def _map_matrix(ark: np.ndarray, offset: int, head: bytes, where: str) -> np.ndarray | Compressed:
    token = head[2:5]
    if head[:2] != b"\0B":
        raise DataError(f"{where}: is not a binary Kaldi matrix; extract the features again (stage 2)")
    if token == _HALF:
        return _map_half(ark, offset, head, where)
    dtype = _DTYPES.get(token)
    if dtype is None:
        raise DataError(f"{where}: {token!r} is not a supported matrix type (FM, DM, FV, DV, CM)")
    is_vector = token[1:2] == b"V"
    header = 5 + (5 if is_vector else 10)
    if len(head) < header:
        raise DataError(f"{where}: the ark ends inside a header; extract the features again (stage 2)")
    sizes = struct.unpack("<bi", head[5:10]) if is_vector else struct.unpack("<bibi", head[5:15])
    if any(mark != 4 for mark in sizes[::2]):  # Kaldi writes the width of the integer, 4, before each size
        raise DataError(f"{where}: the sizes in the header are invalid; extract the features again (stage 2)")
    return _view(ark, offset + header, sizes[1::2], dtype, where)


def _map_half(ark: np.ndarray, offset: int, head: bytes, where: str) -> Compressed:
    if len(head) < HEADER_BYTES:
        raise DataError(f"{where}: the ark ends inside a header; extract the features again (stage 2)")
    minimum, span, *shape = parse_header(head[:HEADER_BYTES])
    return Compressed(_view(ark, offset + HEADER_BYTES, tuple(shape), np.dtype("<u2"), where), minimum, span)


def _decode_other(path: str, offset: int, head: bytes, ark_bytes: int, where: str) -> np.ndarray:
    is_cm3 = head[2:5] == b"CM3"
    header = HEADER_BYTES if is_cm3 else HEADER_BYTES - 1
    if len(head) < header:
        raise DataError(f"{where}: the ark ends inside a header; extract the features again (stage 2)")
    # kaldiio would reserve memory for any size that the header claims.
    rows, columns = struct.unpack("<ii", head[header - 8 : header])
    size = rows * columns + (0 if is_cm3 else 8 * columns)  # CM: 8 bytes per column, then a byte per value
    _check_size(offset + header, (rows, columns), size, ark_bytes, where)
    try:
        with open(path, "rb") as stream:
            stream.seek(offset)
            return kaldiio.matio.read_kaldi(stream)
    except (ValueError, AssertionError, struct.error) as error:
        raise DataError(f"{where}: the compressed matrix is damaged; extract the features again (stage 2)") from error


def _view(ark: np.ndarray, start: int, shape: tuple[int, ...], dtype: np.dtype, where: str) -> np.ndarray:
    size = math.prod(shape) * dtype.itemsize
    _check_size(start, shape, size, len(ark), where)
    return ark[start : start + size].view(dtype).reshape(shape)


def _check_size(start: int, shape: tuple[int, ...], size: int, ark_bytes: int, where: str) -> None:
    """Refuses sizes below 1, and a matrix that ends after the ark."""
    if min(shape) < 1:
        raise DataError(f"{where}: the sizes in the header are invalid; extract the features again (stage 2)")
    if start + size > ark_bytes:
        raise DataError(
            f"{where}: the ark is truncated: it has {ark_bytes} bytes, the matrix ends at {start + size}; "
            "extract the features again (stage 2)"
        )


def read_scp(path: Path) -> dict[str, str]:
    """Reads feats.scp and checks that every entry is `path:offset`; relative paths start at the scp's folder.

    Raises:
        DataError: an entry is a command or lacks an offset.
    """
    path = Path(path)
    entries, folders = {}, {}
    for key, entry in read_table(path).items():
        ark, offset = _split_entry(entry, key, path)
        if ark not in folders:
            folders[ark] = str(path.parent / ark)
        entries[key] = f"{folders[ark]}:{offset}"
    return entries


def _split_entry(entry: str, key: str, scp: Path | None = None) -> tuple[str, int]:
    path, colon, offset = entry.rpartition(":")
    if not colon or not _OFFSET.fullmatch(offset) or path.lstrip().startswith("|"):
        where = f"{scp}: {key}" if scp else key
        raise DataError(f"{where}: {entry!r} must have the form path:offset; commands and ranges are not supported")
    return path, int(offset)
