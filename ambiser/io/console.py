"""Sets up logging, shows progress, and ends programs: a user's error is one line and exit status 2."""

import atexit
import errno
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from pathlib import Path
from typing import TypeVar

from ambiser.errors import UserError

log = logging.getLogger("ambiser")
PROGRESS_EVERY_S = 60.0
ONCE = {"once": True}
"""For `log.info(..., extra=ONCE)`: a program logs this message once, however often it is given."""
_OF_THE_SYSTEM = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENAMETOOLONG}
"""Numbers of errors that are never a bug: no permission, no space, a name that no file can have."""
T = TypeVar("T")
_stops: list[int] = []
"""Numbers of the signals to stop that this program has received."""


class _DropRepeated(logging.Filter):
    """Drops messages with extra=ONCE that this filter has passed before."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log a record."""
        message = record.getMessage()
        if not getattr(record, "once", False):
            return True
        is_new = message not in self.seen
        self.seen.add(message)
        return is_new


def set_up_logging(path: Path | None = None) -> None:
    """Sends log lines to standard error, and appends them to a file if one is given."""
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(path, encoding="utf-8"))
    formatter = logging.Formatter("%(asctime)s %(levelname).1s %(message)s", "%H:%M:%S")
    log.setLevel(logging.INFO)
    log.propagate = False
    log.handlers.clear()
    for handler in handlers:
        handler.setFormatter(formatter)
        handler.addFilter(_DropRepeated())
        log.addHandler(handler)


def progress(
    items: Iterable[T], description: str, total: int | None = None, *, clock: Callable[[], float] = time.monotonic
) -> Iterable[T]:
    """Yields the items and shows progress: a bar on a terminal, else a log line once per minute.

    Args:
        items: the items to work on.
        description: the name of the work.
        total: the number of items, if `len(items)` does not give it.
        clock: the time in seconds.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    if sys.stderr.isatty():
        from tqdm import tqdm  # only a terminal needs it, and its import takes a tenth of a second

        return tqdm(items, desc=description, total=total, leave=False, dynamic_ncols=True)
    return _log_progress(items, description, total, clock)


def _log_progress(items: Iterable[T], description: str, total: int | None, clock: Callable[[], float]) -> Iterator[T]:
    started = last = clock()
    done, ended, writing = 0, threading.Event(), threading.Lock()

    def speak() -> None:
        nonlocal last
        with writing:
            now = clock()
            if now - last >= PROGRESS_EVERY_S and done != total:
                last = now
                log.info("%s", describe_progress(description, done, total, now - started))

    def speak_meanwhile() -> None:
        while not ended.wait(PROGRESS_EVERY_S):
            speak()

    # A thread, because one item can take an hour: the first fold that trains, the first batch of a large model.
    threading.Thread(target=speak_meanwhile, daemon=True).start()
    try:
        for item in items:
            yield item
            done += 1  # after the yield, so that the caller has finished this item
            if clock() - last >= PROGRESS_EVERY_S:
                speak()
    finally:
        ended.set()


def describe_progress(description: str, done: int, total: int | None, seconds: float) -> str:
    """Returns a progress line: items done, rate, and time left at this rate if the total is known."""
    of = "" if total is None else f"/{total}"
    if not done:
        return f"{description}: 0{of} after {format_duration(seconds)}"
    rate = done / seconds
    unit, size = next(pair for pair in (("s", 1), ("min", 60), ("h", 3600)) if rate * pair[1] >= 1 or pair[0] == "h")
    left = "" if total is None else f", about {format_duration((total - done) / rate)} left"
    return f"{description}: {done}{of}, {rate * size:.1f} per {unit}{left}"


def format_duration(seconds: float) -> str:
    """Returns a duration in hours, minutes or seconds, whichever suits it."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def run_main(main: Callable[[], int | None]) -> None:
    """Runs a program and exits: 0 or its result, 2 with one line for an error of the user, 130 for Ctrl-C or SIGTERM.

    A path without permission, a full disk and a name that is too long are errors of the user too. Any other exception
    is a bug and keeps its traceback.
    """
    _stops.clear()
    signal.signal(signal.SIGTERM, _stop)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not if a caller ignores Ctrl-C
        signal.signal(signal.SIGINT, _stop)
    try:
        status = _run_until_stopped(main) or 0
    except UserError as error:
        status = _refuse(str(error))
    except KeyboardInterrupt:
        print(f"{Path(sys.argv[0]).stem}: stopped; run the same command again to continue", file=sys.stderr)
        status = 130
    except BrokenPipeError:  # as in `status | head`; Python would fail again when it flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 141
    except OSError as error:
        if error.errno not in _OF_THE_SYSTEM or error.filename is None:
            raise
        status = _refuse(f"{error.filename}: {error.strerror}")
    finally:
        signal.signal(signal.SIGTERM, _end_already)
    if main.__module__ == "__main__":  # not a test or another program that calls this one
        _end(status)
    sys.exit(status)


def _run_until_stopped(main: Callable[[], int | None]) -> int | None:
    """Runs a program; after a signal to stop, any exception counts as the end that the signal asked for.

    A library may turn the interrupt into an error of its own, as pydantic does while it serializes.
    """
    try:
        return main()
    except Exception as error:
        if _stops:
            raise KeyboardInterrupt from error
        raise


def _refuse(text: str) -> int:
    """Prints the line of an error, and returns the exit status of an error of the user."""
    print(f"{Path(sys.argv[0]).stem}: error: {printable(text)}", file=sys.stderr)
    return 2


def printable(text: str) -> str:
    """Returns a text without control characters, which a file of others could use to rewrite the terminal."""
    return "".join(letter if letter.isprintable() or letter == "\n" else ascii(letter)[1:-1] for letter in text)


def _end(status: int) -> None:
    """Ends the program as Python does, except that it frees no memory.

    Taking down PyTorch costs a quarter of the time of importing it, and in a fork more than a small training.
    """
    signal.signal(signal.SIGINT, _end_already)
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in filter(None, (sys.stdout, sys.stderr)):  # None if the caller has closed it
        stream.flush()
    os._exit(status)


def _stop(signum: int, frame: object) -> None:
    _stops.append(signum)
    raise KeyboardInterrupt


def _end_already(signum: int, frame: object) -> None:
    """Ignores a signal while Python shuts down, where an exception would print a traceback."""
