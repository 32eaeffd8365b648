"""Runs many small file operations on several threads: most of their time is spent waiting for the disk."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

THREADS = 8
_BATCH = 256
T = TypeVar("T")
R = TypeVar("R")


def in_threads(function: Callable[[T], R], items: Iterable[T], batch: int = _BATCH) -> Iterator[R]:
    """Calls a function for every item, in batches on several threads; the results come in the order of the items."""
    items = list(items)
    batches = [items[i : i + batch] for i in range(0, len(items), batch)]
    with ThreadPoolExecutor(THREADS) as pool:
        for results in pool.map(lambda batch: [function(item) for item in batch], batches):
            yield from results
