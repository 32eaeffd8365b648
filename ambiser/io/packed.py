"""Bounds what the compressed files of others unpack to: a file of a few kB can stand for gigabytes."""

import gzip
import os
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from ambiser.io.files import check_regular

_MOST_RATIO = 100  # text and votes are packed to a tenth or a twentieth
_SMALL_BYTES = 2**26


def most_unpacked(packed: int) -> int:
    """Returns the most bytes that may come out of a file, or of a part of it, with this many bytes."""
    return max(_SMALL_BYTES, _MOST_RATIO * packed)


def read_lines(path: Path) -> Iterator[bytes]:
    """Yields the lines of a text file, packed by gzip if its name ends in .gz; only one line is in memory.

    Raises:
        OSError: the file cannot be read, is not a regular file, or is no gzip file.
        ValueError: it unpacks to far more than its size, or is damaged.
    """
    check_regular(path)
    packed = os.path.getsize(path)
    most = left = most_unpacked(packed)
    with (gzip.open if Path(path).suffix == ".gz" else open)(path, "rb") as stream:
        try:
            while line := stream.readline(left + 1):
                left -= len(line)
                if left < 0:
                    raise ValueError(f"it unpacks from {packed} to more than {most} bytes")
                yield line
        except (EOFError, zlib.error) as error:
            raise ValueError(f"its compressed data are damaged: {error}") from error


def check_stored(path: Path) -> None:
    """Checks that the parts of a zip file are together no larger than the file; other files pass.

    torch.save stores tensors as they are, and torch.load would unpack compressed ones to any size.

    Raises:
        ValueError: they are larger.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(part.file_size for part in archive.infolist())
    except zipfile.BadZipFile:
        return
    if unpacked > (packed := os.path.getsize(path)):
        raise ValueError(f"it unpacks from {packed} to {unpacked} bytes")
