"""Maps a function over items in forks of this process, which share its memory and its modules."""

import contextlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

FEW = 4
"""With fewer items a fork is not worth it."""
MOST = 8
T, R = TypeVar("T"), TypeVar("R")
_task: tuple[Callable, Sequence] | None = None


def map_in_forks(work: Callable[[T], R], items: Sequence[T], processes: int | None = None) -> Iterator[R]:
    """Yields `work(item)` for each item, in order; on Linux several processes share the items.

    Matrix products of NumPy and SciPy use one thread each: the threads of several processes would wait for one another.

    Args:
        work: may use any object of this process; its result is pickled. It must not write to what other items use.
        items: few items are worked on one by one in this process.
        processes: None: the cores that this process may use, `MOST` at most.
    """
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1
    processes = min(processes or min(cores, MOST), len(items))
    if processes < 2 or len(items) < FEW or sys.platform != "linux":
        with _one_thread():
            yield from map(work, items)
        return
    # Forks inherit function and items, so these need no pickling.
    arguments = (work, items)
    with multiprocessing.get_context("fork").Pool(processes, _begin, arguments) as pool:
        yield from pool.imap(_call, range(len(items)))


def _begin(work: Callable, items: Sequence) -> None:
    """Prepares a fork: the parent answers Ctrl-C and SIGTERM, and then ends its forks by SIGTERM."""
    global _task
    _task = (work, items)
    _one_thread()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _one_thread() -> contextlib.AbstractContextManager:
    """Lets the libraries for matrix products that are loaded use one thread, until the context ends."""
    from threadpoolctl import threadpool_limits  # only here: its import would delay --help

    return threadpool_limits(1)


def _call(position: int) -> object:
    work, items = _task
    return work(items[position])
