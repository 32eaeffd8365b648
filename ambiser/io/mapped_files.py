"""Maps files into memory, thousands at a time, and notices that they change."""

import contextlib
import errno
import mmap
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from ambiser.errors import DataError

MOST_OPEN = 65_536
_WITHOUT_DESCRIPTOR = {"trackfd": False} if sys.version_info >= (3, 13) else {}


def map_file(path: Path | str) -> np.ndarray:
    """Returns the bytes of a file, (n,) uint8, read-only; they are read on access.

    Before Python 3.13 every mapped file keeps a descriptor. `allow_open_files` raises their number beforehand.

    Raises:
        DataError: the file is missing, empty or unreadable, or too many files are open.
    """
    try:
        with open(path, "rb") as stream:
            content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ, **_WITHOUT_DESCRIPTOR)
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) == errno.EMFILE:
            raise DataError(
                f"{path}: cannot be mapped: too many open files; raise the hard limit (ulimit -Hn), or use Python 3.13"
            ) from error
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read: {reason}; run stage 2 again") from error
    return np.frombuffer(content, np.uint8)


def allow_open_files() -> None:
    """Raises the soft limit of open files, often 1,024, to the hard limit, at most 65,536."""
    with contextlib.suppress(ImportError, OSError, ValueError):  # the system has no such limits, or refuses
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = MOST_OPEN if hard == resource.RLIM_INFINITY else min(hard, MOST_OPEN)
        if soft != resource.RLIM_INFINITY and soft < most:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class MappedFiles:
    """The files that items are mapped from; check items before each access.

    A file that is cut off would kill a process that reads beyond its end, and a changed one would mix old and new data.
    A file that was replaced by rename counts as changed, though its old content stays mapped.

    Args:
        paths: N paths, one per item.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = sorted(set(paths))
        number = {path: i for i, path in enumerate(self._paths)}
        self._file = np.array([number[path] for path in paths], np.int32)  # (N,)
        self._states = [_state(path) for path in self._paths]

    def check(self, items: Iterable[int]) -> None:
        """Checks the files of items.

        Raises:
            DataError: a file changed or is gone.
        """
        for file in set(self._file[list(items)].tolist()):
            if _state(self._paths[file]) != self._states[file]:
                raise DataError(f"{self._paths[file]}: changed while this stage read it; run this stage again")


def _state(path: str) -> tuple[int, int, int]:
    """Returns size, time of change and number of a file; zeros if it is gone."""
    try:
        found = os.stat(path)
    except OSError:
        return 0, 0, 0
    return found.st_size, found.st_mtime_ns, found.st_ino
