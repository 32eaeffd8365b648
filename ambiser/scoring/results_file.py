"""Reading and writing of results.json, and whether it is up to date."""

import functools
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from ambiser.errors import DataError
from ambiser.io.files import read_json, write_json
from ambiser.io.records import from_json, to_json
from ambiser.scoring.results import Results
from ambiser.scoring.stamp import FORMAT

_KEEP = 1024  # results in memory; one takes 0.3 MB


class OtherFormatError(DataError):
    """Another version of this program wrote the file."""


def write_results(path: Path, results: Results) -> None:
    """Writes a results.json."""
    write_json(path, {"format": FORMAT, **to_json(results)})


def read_results(path: Path) -> Results:
    """Reads a results.json, once while it stays the same: tables, comparison and sections need it.

    Raises:
        OtherFormatError: another version of this program wrote it.
        DataError: it is not a results file.
    """
    state = path.stat() if path.is_file() else None
    return _read(path, None if state is None else (state.st_ino, state.st_mtime_ns, state.st_size))


@functools.lru_cache(_KEEP)
def _read(path: Path, _state: tuple[int, int, int] | None) -> Results:
    content = read_json(path)
    found = content.get("format") if isinstance(content, dict) else None
    if found is None:
        raise DataError(f"{path}: is not a results file, it has no format; remove it and run stage 7 again")
    if found != FORMAT:
        raise OtherFormatError(
            f"{path}: has format {found}, this program writes {FORMAT}; remove it and run stage 7 again"
        )
    return from_json(Results, {key: value for key, value in content.items() if key != "format"}, str(path))


def count_reasons(reasons: Iterable[str]) -> dict[str, int]:
    """Returns how often each reason occurs, sorted by reason."""
    return dict(sorted(Counter(reasons).items()))


def is_current(path: Path, *, expected_hash: str, folds: list[int], sources: Iterable[Path]) -> bool:
    """Whether results.json is there, of this format, these folds and this configuration, and no source is newer."""
    if not path.is_file() or any(is_newer(source, path) for source in sources):
        return False
    content = read_json(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        return False  # an older version wrote it: it is scored anew
    stamp = read_results(path).stamp
    return stamp.folds == folds and stamp.config_hash == expected_hash


def is_newer(a: Path, b: Path) -> bool:
    """Whether file a is there and was written after file b."""
    return a.is_file() and a.stat().st_mtime_ns > b.stat().st_mtime_ns
