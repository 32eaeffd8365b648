"""Writes a whole ark at once, where the package itself streams through `open_ark`."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ambiser.io.ark import open_ark


def write_ark(path: Path, matrices: Iterable[tuple[str, np.ndarray]]) -> dict[str, str]:
    """Writes (key, matrix) pairs to a binary ark and returns the scp entries."""
    with open_ark(path) as ark:
        for key, matrix in matrices:
            ark.add(key, matrix)
    return ark.entries
