"""Damages valid files at random and gives them to every reader, for as long as one likes; prints each new failure once.

    python tests/property/fuzz.py --minutes 60              # all readers in turn
    python tests/property/fuzz.py --minutes 5 --only a.wav  # readers of one file name
    python tests/property/fuzz.py --minutes 1 --seed 7      # the same files again

A failure is anything but a result or one line that names the file: another exception, or more than 10 seconds. Files
that reach new lines of a reader are kept and damaged further. Once a failure is mended, its file becomes a test of the
room of its reader. Exit status: 1 after a failure.
"""

import argparse
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from property.damages import damage  # noqa: E402
from property.readers import READERS, Reader, check  # noqa: E402

LONGEST_S = 10
MOST_KEPT = 200  # files per reader
TRACED_SHARE = 0.1  # tracing makes a run ten times as long


class Coverage:
    """The lines of ambiser that were reached so far."""

    def __init__(self) -> None:
        self.lines: set[tuple[str, int]] = set()

    def grows(self, run: Callable[[], object]) -> bool:
        """Runs a function; returns whether it reached a new line."""
        before = len(self.lines)

        def trace(frame: object, event: str, arg: object) -> object:
            if "/ambiser/" not in frame.f_code.co_filename:
                return None
            self.lines.add((frame.f_code.co_filename, frame.f_lineno))
            return trace

        sys.settrace(trace)
        try:
            run()
        finally:
            sys.settrace(None)
        return len(self.lines) > before


def stop(signum: int, frame: object) -> None:
    """Ends a reader that takes too long."""
    raise TimeoutError(f"more than {LONGEST_S} s")


def fuzz_once(
    reader: Reader, folder: Path, kept: list[bytes], rng: random.Random, coverage: Coverage
) -> tuple[BaseException, bytes] | None:
    """Damages one file and reads it; returns the failure and the content."""
    changes = [tuple(rng.randrange(10**4) for _ in range(3)) for _ in range(rng.randrange(1, 6))]
    content = damage(rng.choice(kept), changes)
    signal.alarm(LONGEST_S)
    try:
        if rng.random() < TRACED_SHARE:
            if coverage.grows(lambda: check(reader, folder / reader.name, content)) and len(kept) < MOST_KEPT:
                kept.append(content)
        else:
            check(reader, folder / reader.name, content)
    except Exception as error:
        return error, content
    finally:
        signal.alarm(0)
    return None


def place_of(error: BaseException) -> str:
    """Returns type and innermost place of an error in ambiser."""
    places = [f"{f.filename.rpartition('/ambiser/')[2]}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)]
    own = [place for place in places if not place.startswith("/")]
    return f"{type(error).__name__} at {own[-1] if own else places[-1]}"


def main() -> int:
    """Runs the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    rng, end = random.Random(args.seed), time.monotonic() + 60 * args.minutes
    readers = [(reader, list(reader.seeds), Coverage()) for reader in READERS if args.only in ("", reader.name)]
    signal.signal(signal.SIGALRM, stop)
    seen: set[tuple[str, str]] = set()
    runs = 0
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < end:
            reader, kept, coverage = readers[runs // 50 % len(readers)]
            runs += 1
            found = fuzz_once(reader, Path(folder), kept, rng, coverage)
            if found and (key := (reader.name, place_of(found[0]))) not in seen:
                seen.add(key)
                print(f"{reader.name}: {key[1]}: {found[0]!r:.200}\n  {found[1]!r:.400}", flush=True)
    lines = sum(len(coverage.lines) for _, _, coverage in readers)
    print(f"{runs} files, {len(readers)} readers, {lines} lines reached, {len(seen)} failures")
    return 1 if seen else 0


if __name__ == "__main__":
    sys.exit(main())
