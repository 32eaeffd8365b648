"""Writes files atomically: a file appears under its name only when it is complete."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ambiser.errors import DataError


@contextlib.contextmanager
def atomic_open(path: Path, mode: str = "w") -> Iterator[IO]:
    """Opens a temporary file that replaces `path` when the block ends without an error.

    Args:
        path: the final name; its folder is created if needed.
        mode: "w" for UTF-8 text with "\\n" line ends, "wb" for bytes.

    Raises:
        DataError: the file cannot be written (no space, no permission), with the system's reason.
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
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{path}: is not valid JSON: {error}; remove it and run its stage again") from error


def digest(*parts: bytes | str) -> str:
    """Returns the SHA-256 of the parts as 64 hexadecimal digits."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8") if isinstance(part, str) else part
        # The length too: ("ab", "c") and ("a", "bc") must differ.
        total.update(str(len(data)).encode() + b":" + data)
    return total.hexdigest()
