"""Writes files atomically, so that a file appears only when it is complete, and reads files of others with bounds."""

import contextlib
import errno
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ambiser.errors import DataError

_SHOWN = 80  # characters of a faulty line
_MOST_BYTES = 2**31  # of a table; the largest that a corpus has is a thousandth of it


@contextlib.contextmanager
def atomic_open(path: Path, mode: str = "w") -> Iterator[IO]:
    """Opens a temporary file that replaces `path` when the block ends without an error.

    Args:
        path: the final name; its folder is created if needed.
        mode: "w" for UTF-8 text with "\\n" line ends, "wb" for bytes.

    Raises:
        DataError: the file cannot be written (no space, no permission, a name that is not UTF-8), with the reason.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, mode, **text) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())  # before the rename: after a power cut the name must not point to an empty file
        os.replace(temporary, path)
    except UnicodeEncodeError as error:  # the name of a file in another encoding, which Python decodes to surrogates
        line = error.object[: error.end].rpartition("\n")[2][-_SHOWN:]
        raise DataError(f"{path}: cannot be written: {line!a} is not UTF-8; rename the file or folder") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text by rename."""
    with atomic_open(path) as stream:
        stream.write(text)


def write_json(path: Path, value: object) -> None:
    """Writes JSON with sorted keys, two spaces and a final newline, by rename; NaN is refused."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> object:
    """Reads a JSON file.

    Raises:
        DataError: it is missing or is not JSON, with line and column.
    """
    try:
        return parse_json(read_file(path).decode("utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{path}: is not valid JSON: {error}; remove it and run its stage again") from error


def parse_json(text: str) -> object:
    """Parses JSON.

    Raises:
        ValueError: the text is not JSON, or has more levels than Python can follow.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("too many levels") from None


def read_file(path: Path, most_bytes: int = _MOST_BYTES) -> bytes:
    """Returns the content of a regular file: a pipe or a device named in its place would never end.

    Raises:
        OSError: the file cannot be read, is not a regular file, or has more than `most_bytes` bytes.
    """
    check_regular(path)
    with open(path, "rb") as stream:
        content = stream.read(most_bytes + 1) if os.fstat(stream.fileno()).st_size > most_bytes else stream.read()
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"Larger than {most_bytes} bytes")
    return content


def check_regular(path: Path) -> None:
    """Checks that a path names a regular file; opening a pipe could wait forever.

    Raises:
        OSError: it does not exist, or is something else.
    """
    if stat.S_ISDIR(mode := os.stat(path).st_mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "Not a regular file")


def digest(*parts: bytes | str) -> str:
    """Returns the SHA-256 of the parts as 64 hexadecimal digits."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8") if isinstance(part, str) else part
        # The length too: ("ab", "c") and ("a", "bc") must differ.
        total.update(str(len(data)).encode() + b":" + data)
    return total.hexdigest()
