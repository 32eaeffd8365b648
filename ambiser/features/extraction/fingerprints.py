"""Detects changed audio, text or weights, by their content."""

import functools
import hashlib
from pathlib import Path

from ambiser.io.files import digest

_CHUNK_BYTES = 2**20
_WEIGHT_FILES = (".safetensors", ".bin", ".pt", ".ckpt", ".json", ".txt", ".model")

Fingerprint = list[int | str]


def fingerprint(source: Path | str) -> Fingerprint:
    """Returns size, modification time (ns) and SHA-256 of a file, or the digest of a text.

    Raises:
        OSError: the file cannot be read.
    """
    if isinstance(source, str):
        return [digest(source)]
    status = source.stat()
    return [status.st_size, status.st_mtime_ns, file_digest(source)]


def is_same(source: Path | str, known: Fingerprint) -> bool:
    """Tells whether a source is unchanged.

    A file of the same size and modification time counts as unchanged, as in git and make. If the time differs (the file
    was touched, copied or moved), the content is compared. A missing file has changed.
    """
    if isinstance(source, str):
        return known == [digest(source)]
    try:
        status = source.stat()
        if status.st_size != known[0]:
            return False
        return status.st_mtime_ns == known[1] or file_digest(source) == known[2]
    except OSError:
        return False


@functools.cache
def weights_digest(checkpoint: str) -> str:
    """Returns the digest of a local checkpoint (a file, or the files of a folder), or "" if there is none."""
    path = Path(checkpoint)
    if not checkpoint or not path.exists():
        return ""
    if path.is_file():
        return file_digest(path)
    files = sorted(file for file in path.iterdir() if file.suffix in _WEIGHT_FILES and file.is_file())
    return digest(*(part for file in files for part in (file.name, file_digest(file))))


def file_digest(path: Path) -> str:
    """Returns the SHA-256 of a file's content."""
    total = hashlib.sha256()
    with open(path, "rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            total.update(chunk)
    return total.hexdigest()
