"""Reads standard input for `ambiser predict -`: a list of paths, or one recording."""

import shutil
import tempfile
from pathlib import Path
from typing import BinaryIO

from ambiser.errors import UserError
from ambiser.inference.sources import STDIN, Source

_HEAD = 4096  # bytes; audio holds a zero among its first ones, paths never do


class StandardInput:
    """Standard input, read once; a recording lies in a temporary file until the block ends.

    Attributes:
        path: the temporary file of a recording; None for a list, or before `sources`.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._folder = stream, None
        self.path: Path | None = None

    def __enter__(self) -> "StandardInput":
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def sources(self) -> list[Source]:
        """Returns the recordings that a list names, one path per line, or the recording itself under the name "-".

        Raises:
            UserError: the recording cannot be stored.
        """
        head = self._stream.read(_HEAD)
        if b"\0" not in head:
            text = (head + self._stream.read()).decode("utf-8", "surrogateescape")
            return [Source(name, Path(name)) for line in text.split("\n") if (name := line.rstrip("\r"))]
        try:
            self._folder = tempfile.TemporaryDirectory(prefix="ambiser-")
            path = Path(self._folder.name) / "recording"
            with open(path, "wb") as file:
                file.write(head)
                shutil.copyfileobj(self._stream, file)
        except OSError as error:
            folder = tempfile.gettempdir()
            raise UserError(
                f"standard input: cannot be stored in {folder} ({error.strerror}); set TMPDIR to a folder with space"
            ) from error
        self.path = path
        return [Source(STDIN, path)]

    def describe(self, fault: str) -> str:
        """Returns a fault without the name of the temporary file."""
        return fault if self.path is None else fault.replace(str(self.path), "standard input")
