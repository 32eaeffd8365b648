"""Maps files into memory, thousands at a time."""

import contextlib
import errno
import mmap
import sys
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
