"""Reads text, CSV and JSON files of a release, and notes them as inputs of stage 1."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from ambiser.corpora.findings import Findings
from ambiser.corpora.near_misses import explain_content
from ambiser.errors import DataError
from ambiser.io import files


def read_text(path: Path, findings: Findings) -> str:
    """Returns the text of a file; bytes that are not UTF-8 are replaced and their line is listed.

    Raises:
        DataError: the file cannot be read, or is no text at all (a git-lfs placeholder, an archive, UTF-16).
    """
    try:
        content = files.read_file(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    findings.note_input(path, content)
    what = explain_content(path)
    if what:
        raise DataError(f"{path}: is {what}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        findings.warn("files with bytes that are not UTF-8 (replaced)", where=f"{path}:{line}")
        return content.decode("utf-8-sig", errors="replace")


def list_folder(folder: Path) -> list[Path]:
    """Returns what is in a folder, sorted.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror}") from error


def read_csv(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Yields line number and fields of every row that is not empty.

    Raises:
        DataError: the text is no CSV.
    """
    # splitlines would also split at U+0085 and U+2028; StringIO takes four bytes per character.
    stream = io.BytesIO(text.encode("utf-8", "surrogatepass"))
    reader = csv.reader(io.TextIOWrapper(stream, "utf-8", "surrogatepass", newline=""))
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: is not CSV: {error}") from error


def parse_json(path: Path, text: str) -> dict:
    """Returns the object of a JSON file.

    Raises:
        DataError: the text is no JSON object.
    """
    try:
        tree = files.parse_json(text)
    except ValueError as error:
        raise DataError(f"{path}: is not valid JSON: {error}; the file is cut off or damaged") from error
    if not isinstance(tree, dict):
        raise DataError(f"{path}: must hold an object with one entry per file")
    return tree
