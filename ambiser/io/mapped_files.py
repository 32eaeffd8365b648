"""Notices that files change while they are mapped."""

import os
from collections.abc import Iterable, Sequence

import numpy as np

from ambiser.errors import DataError


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
