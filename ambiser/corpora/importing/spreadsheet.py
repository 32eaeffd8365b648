"""Reads the rows of a CSV, TSV or XLSX table: any of the usual separators, encodings and line ends."""

import csv
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from ambiser.errors import DataError

SEPARATORS = ("\t", ";", ",", "|")
_SNIFFED = 20  # lines
_SHEET = re.compile(r"xl/worksheets/sheet\d+\.xml")
_COLUMN = re.compile(r"[A-Z]+")


def read_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yields row number (from 1) and stripped cells of every row that is not empty; the first is the header.

    Raises:
        DataError: the file cannot be read, or is no table.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        raise DataError(f"{path}: is an old Excel file (.xls); save it as .xlsx or .csv")
    is_zip = content.startswith(b"PK\x03\x04")
    for number, row in _read_xlsx(path) if is_zip else _read_text(path, content):
        cells = [cell.strip() for cell in row]
        if any(cells):
            yield number, cells


def find_separator(lines: list[str]) -> str:
    """Returns the separator that splits the first lines into the same, largest number of cells."""

    def cells(separator: str) -> tuple[int, int]:
        counts = [len(row) for row in csv.reader(lines, delimiter=separator)]
        return sum(count == counts[0] > 1 for count in counts), counts[0]

    return max(SEPARATORS, key=cells)


def _read_text(path: Path, content: bytes) -> Iterator[tuple[int, list[str]]]:
    text = _decode(path, content)
    lines = text.splitlines(keepends=True)
    reader = csv.reader(lines, delimiter=find_separator([line for line in lines if line.strip()][:_SNIFFED]))
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: is not a table: {error}") from error


def _decode(path: Path, content: bytes) -> str:
    """Decodes UTF-8 and UTF-16, with or without a byte order mark, otherwise Windows' Western encoding."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    if b"\0" in content[:1024]:
        raise DataError(f"{path}: is not text; save the table as CSV or XLSX")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _read_xlsx(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Reads the first sheet; formulas give their stored value."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            shared = _strings(archive.read("xl/sharedStrings.xml")) if "xl/sharedStrings.xml" in names else []
            sheet = min((name for name in names if _SHEET.fullmatch(name)), key=lambda name: (len(name), name))
            tree = ElementTree.fromstring(archive.read(sheet))
    except (zipfile.BadZipFile, ElementTree.ParseError, KeyError, ValueError) as error:
        raise DataError(f"{path}: is not an Excel table: {error}; save it as CSV") from error
    for number, row in enumerate(tree.iter(_tag(tree, "row")), start=1):
        cells: list[str] = []
        for cell in row.iter(_tag(tree, "c")):
            column = _column(cell.get("r", "")) if cell.get("r") else len(cells)
            cells += [""] * (column - len(cells)) + [_value(cell, tree, shared)]  # empty cells are not stored
        yield int(row.get("r", number)), cells


def _strings(content: bytes) -> list[str]:
    tree = ElementTree.fromstring(content)
    return ["".join(text.text or "" for text in item.iter(_tag(tree, "t"))) for item in tree.iter(_tag(tree, "si"))]


def _value(cell: ElementTree.Element, tree: ElementTree.Element, shared: list[str]) -> str:
    if cell.get("t") == "inlineStr":
        return "".join(text.text or "" for text in cell.iter(_tag(tree, "t")))
    value = cell.findtext(_tag(tree, "v"), "")
    if cell.get("t") == "s":
        return shared[int(value)]
    return value.removesuffix(".0")


def _tag(tree: ElementTree.Element, name: str) -> str:
    """Returns a tag in the name space of the root."""
    space = tree.tag.partition("}")[0]
    return f"{space}}}{name}" if space.startswith("{") else name


def _column(place: str) -> int:
    """Returns the column number (from 0) of a place such as AB12."""
    number = 0
    for letter in _COLUMN.match(place)[0]:
        number = 26 * number + ord(letter) - ord("A") + 1
    return number - 1
