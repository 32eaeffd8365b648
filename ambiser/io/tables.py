"""Reads and writes Kaldi tables (sorted `key value` lines) and TSV tables with a header."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path

from ambiser.errors import DataError
from ambiser.io.files import atomic_open, read_file, write_text

_LINES_PER_WRITE = 4096


def read_table(path: Path, allow_empty_value: bool = False) -> dict[str, str]:
    """Reads a Kaldi table and checks that its keys are unique, sorted bytewise and have a value.

    Args:
        path: one `key value` line per entry; the value is everything after the first space.
        allow_empty_value: accept keys without a value, such as an utterance with an empty transcript.

    Returns:
        The values by key, in the order of the file.

    Raises:
        DataError: with file and line of the first fault.
    """
    path = Path(path)
    lines = _lines(path)
    table = _read_sound_lines(lines, allow_empty_value)
    return _read_line_by_line(path, lines, allow_empty_value) if table is None else table


def _read_sound_lines(lines: list[str], allow_empty_value: bool) -> dict[str, str] | None:
    """Reads the lines of a table without faults in a third of the time; None if there is a fault."""
    pairs = [line.partition(" ") for line in lines]
    keys = [key for key, _, _ in pairs]
    values = [value.strip() for _, _, value in pairs]
    table = dict(zip(keys, values, strict=True))
    # Code points sort like the bytes of UTF-8.
    is_sound = len(table) == len(keys) and "" not in table and "\t" not in "".join(keys) and keys == sorted(keys)
    return table if is_sound and (allow_empty_value or "" not in values) else None


def _read_line_by_line(path: Path, lines: list[str], allow_empty_value: bool) -> dict[str, str]:
    """Reads the lines of a table and names the first fault."""
    table: dict[str, str] = {}
    previous = b""
    for number, line in enumerate(lines, start=1):
        key, _, value = line.partition(" ")
        value = value.strip()
        if not key or "\t" in key:
            raise DataError(f"{path}:{number}: a line must be 'key value' with one space between; got {line[:60]!r}")
        if not value and not allow_empty_value:
            raise DataError(f"{path}:{number}: '{key}' has no value")
        encoded = key.encode("utf-8")
        if key in table:
            raise DataError(f"{path}:{number}: '{key}' appears twice; remove one line")
        if encoded < previous:
            raise DataError(f"{path}:{number}: '{key}' is not in bytewise order; sort the file with LC_ALL=C")
        table[key], previous = value, encoded
    return table


def write_table(path: Path, table: Mapping[str, object]) -> None:
    """Writes a Kaldi table sorted bytewise, by rename.

    Raises:
        DataError: a key is empty or holds white space, or a value holds a line break.
    """
    keys = sorted(table)  # code points sort like the bytes of UTF-8
    values = [str(table[key]) for key in keys]
    joined = "\0".join(values)
    if " ".join(keys).split() != keys or "\n" in joined or "\r" in joined:
        _refuse_entry(path, keys, values)
    write_text(path, "".join([f"{key} {value}".rstrip() + "\n" for key, value in zip(keys, values, strict=True)]))


def _refuse_entry(path: Path, keys: list[str], values: list[str]) -> None:
    """Raises DataError for the first entry that a Kaldi table cannot hold."""
    for key, value in zip(keys, values, strict=True):
        if not key or key.split() != [key]:
            raise DataError(f"{path}: {key!r} cannot be a key of a Kaldi table; it is empty or holds white space")
        if "\n" in value or "\r" in value:
            raise DataError(f"{path}: the value of '{key}' holds a line break")


def read_list(path: Path) -> list[str]:
    """Reads a sorted list of unique keys, one per line (a table without values)."""
    return list(read_table(path, allow_empty_value=True))


def write_list(path: Path, keys: Iterable[str]) -> None:
    """Writes a sorted list of keys, one per line, by rename."""
    write_table(path, dict.fromkeys(keys, ""))


def read_tsv(path: Path, columns: Iterable[str] = ()) -> list[dict[str, str]]:
    """Reads a tab-separated table with a header; quotes and backslashes have no special meaning.

    Args:
        path: the file.
        columns: names that the header must contain.

    Raises:
        DataError: a column is missing, or a line and the header differ in the number of fields.
    """
    path = Path(path)
    rows = list(_lines(path))
    if not rows:
        raise DataError(f"{path}: is empty; it needs a header line")
    header = rows[0].split("\t")
    missing = [name for name in columns if name not in header]
    if missing:
        raise DataError(f"{path}:1: the header lacks {', '.join(missing)}; it has {', '.join(header)}")
    split = [line.split("\t") for line in rows[1:]]
    for number, fields in enumerate(split, start=2):
        if len(fields) != len(header):
            raise DataError(f"{path}:{number}: {len(fields)} fields where the header has {len(header)}")
    return [dict(zip(header, fields, strict=True)) for fields in split]


def write_tsv(path: Path, columns: list[str], rows: Iterable[Sequence[object]]) -> None:
    """Writes a tab-separated table with a header, by rename, in the order of the rows."""
    with atomic_open(path) as stream:
        stream.write("\t".join(columns) + "\n")
        left = iter(rows)
        while batch := list(islice(left, _LINES_PER_WRITE)):
            stream.write(_join_rows(path, columns, batch))


def _join_rows(path: Path, columns: list[str], rows: list[Sequence[object]]) -> str:
    """Returns rows as lines.

    Raises:
        DataError: a row has another number of fields, or a field holds a tab or a line break.
    """
    try:
        lines = ["\t".join(row) for row in rows]
    except TypeError:  # fields that are no text
        lines = ["\t".join(map(str, row)) for row in rows]
    text = "\n".join([*lines, ""])
    is_sound = text.count("\n") == len(rows) and text.count("\t") == len(rows) * (len(columns) - 1)
    if not is_sound or set(map(len, rows)) != {len(columns)}:
        for row, line in zip(rows, lines, strict=True):
            if len(row) != len(columns) or line.count("\t") != len(columns) - 1 or "\n" in line:
                start = [str(field) for field in row[:3]]
                raise DataError(f"{path}: the row {start} does not fit the columns {columns}")
    return text


def _lines(path: Path) -> list[str]:
    try:
        text = read_file(path).decode("utf-8")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 (byte {error.start})") from error
    if text and not text.endswith("\n"):
        raise DataError(f"{path}: the last line has no line break; the file is truncated, write it again")
    return text.split("\n")[:-1]
