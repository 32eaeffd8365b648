"""What a person sees: log lines, progress bars on a terminal, and one line with exit 2 for a user's fault."""

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from ambiser.errors import UserError

log = logging.getLogger("ambiser")
T = TypeVar("T")
R = TypeVar("R")


def set_up_logging(path: Path | None = None) -> None:
    """Sends log lines to standard error, and to the end of a file when one is given."""
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
        log.addHandler(handler)


def progress(items: Iterable[T], description: str, total: int | None = None) -> Iterable[T]:
    """Shows a progress bar while the items are used; shows nothing when standard error is no terminal."""
    return tqdm(items, desc=description, total=total, disable=not sys.stderr.isatty(), leave=False, dynamic_ncols=True)


def run_main(main: Callable[[], int | None]) -> None:
    """Runs a program and exits: 0 or what it returns, 2 with one line for a user's fault, 130 for Ctrl-C.

    Any other exception is a bug and keeps its traceback.
    """
    signal.signal(signal.SIGTERM, _stop)
    try:
        status = main() or 0
    except UserError as error:
        print(f"{Path(sys.argv[0]).stem}: error: {error}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        print(f"{Path(sys.argv[0]).stem}: stopped; run the same command again to continue", file=sys.stderr)
        status = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 141
    finally:
        signal.signal(signal.SIGTERM, _end_already)
    sys.exit(status)


def _stop(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


def _end_already(signum: int, frame: object) -> None:
    """Hears a signal that comes while Python shuts down, where an exception would only be a traceback."""
