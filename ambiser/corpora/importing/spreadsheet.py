"""Reads the rows of a CSV, TSV or XLSX table: any of the usual separators, encodings and line ends."""

import csv
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from ambiser.errors import DataError, first_line
from ambiser.io.files import read_file

SEPARATORS = ("\t", ";", ",", "|")
_SNIFFED = 20  # lines
_SHEET = re.compile(r"xl/worksheets/sheet\d+\.xml")
_COLUMN = re.compile(r"([A-Z]{1,3})[0-9]*")
_STRINGS = "xl/sharedStrings.xml"
_MOST_COLUMNS = 2**14  # of Excel
_MOST_BYTES = 2**28  # of an unpacked part
_CHUNK_BYTES = 2**16
_NO_EXCEL = (
    *(zipfile.BadZipFile, zlib.error, EOFError, OSError, ElementTree.ParseError, KeyError, ValueError),
    *(NotImplementedError, RuntimeError),  # zipfile's words for unknown compression and for a password
)


def read_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yields row number (from 1) and stripped cells of every row that is not empty; the first is the header.

    Raises:
        DataError: the file cannot be read, or is no table.
    """
    path = Path(path)
    try:
        content = read_file(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        raise DataError(f"{path}: is an old Excel file (.xls); save it as .xlsx or .csv")
    is_zip = content.startswith(b"PK\x03\x04")
    for number, row in _read_xlsx(path) if is_zip else _read_text(path, content):
        cells = list(map(str.strip, row))
        if any(cells):
            yield number, cells


def find_separator(lines: list[str]) -> str:
    """Returns the separator that splits the first lines into the same, largest number of cells."""

    def cells(separator: str) -> tuple[int, int]:
        counts = [len(row) for row in csv.reader(lines, delimiter=separator)] or [0]
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
        return content.decode("utf-16", errors="replace")
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
            shared = list(_items(archive, _STRINGS, _Strings())) if _STRINGS in names else []
            sheet = min((name for name in names if _SHEET.fullmatch(name)), key=lambda name: (len(name), name))
            yield from _items(archive, sheet, _Rows(shared))
    except _NO_EXCEL as error:
        raise DataError(f"{path}: is not an Excel table: {first_line(error)}; save it as CSV") from error


def _items(archive: zipfile.ZipFile, part: str, reader: "_Strings | _Rows") -> Iterator:
    """Yields what a reader finds in a part, without holding the part in memory.

    Raises:
        ValueError: the part is larger than that of any table.
    """
    if archive.getinfo(part).file_size > _MOST_BYTES:
        raise ValueError(f"{part} unpacks to more than {_MOST_BYTES} bytes")
    parser = ElementTree.XMLParser(target=reader)
    with archive.open(part) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            parser.feed(chunk)
            yield from reader.found
            reader.found.clear()
    parser.close()


class _Strings:
    """Receives the elements of the shared strings; `found` holds the strings read so far."""

    def __init__(self) -> None:
        self.found: list = []
        self._space, self._inside = "", ""
        self._texts: dict[str, list[str]] = {"t": [], "v": []}

    def doctype(self, *about: str) -> None:
        """Refuses declarations: a few lines of entities could stand for terabytes."""
        raise ValueError("it declares a document type")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Opens an element."""
        self._space = (
            self._space or tag[: tag.rfind("}") + 1]
        )  # of the root; elements of other name spaces are no cells
        self._inside = tag.removeprefix(self._space)
        self._open(self._inside, attributes)

    def data(self, text: str) -> None:
        """Adds text to the open element."""
        if self._inside in self._texts:
            self._texts[self._inside].append(text)

    def end(self, tag: str) -> None:
        """Closes an element."""
        self._inside = ""
        self._close(tag.removeprefix(self._space))

    def close(self) -> None:
        """Ends the document."""

    def _open(self, name: str, attributes: dict[str, str]) -> None:
        if name == "si":
            self._texts = {"t": [], "v": []}

    def _close(self, name: str) -> None:
        if name == "si":
            self.found.append("".join(self._texts["t"]))


class _Rows(_Strings):
    """Receives the elements of a sheet; `found` holds row numbers and cells."""

    def __init__(self, shared: list[str]) -> None:
        super().__init__()
        self._shared, self._row, self._number = shared, [], 0
        self._place, self._kind = "", ""

    def _open(self, name: str, attributes: dict[str, str]) -> None:
        if name == "row":
            self._row, self._number = [], int(attributes.get("r", self._number + 1))
        elif name == "c":
            self._place, self._kind = attributes.get("r", ""), attributes.get("t", "")
            self._texts = {"t": [], "v": []}

    def _close(self, name: str) -> None:
        if name == "row":
            self.found.append((self._number, self._row))
        elif name == "c":
            column = _column(self._place) if self._place else len(self._row)
            if column >= _MOST_COLUMNS:
                raise ValueError(f"row {self._number} has more than {_MOST_COLUMNS} cells")
            self._row += [""] * (column - len(self._row)) + [self._value()]  # empty cells are not stored

    def _value(self) -> str:
        value = "".join(self._texts["v"])
        if self._kind == "inlineStr":
            return "".join(self._texts["t"])
        if self._kind != "s":
            return value.removesuffix(".0")
        number = int(value)
        if not 0 <= number < len(self._shared):
            raise ValueError(f"a cell names text {number} of {len(self._shared)}")
        return self._shared[number]


def _column(place: str) -> int:
    """Returns the column number (from 0) of a place such as AB12.

    Raises:
        ValueError: it is no place, or lies beyond Excel's last column.
    """
    letters, number = _COLUMN.fullmatch(place), 0
    for letter in letters[1] if letters else "":
        number = 26 * number + ord(letter) - ord("A") + 1
    if not 1 <= number <= _MOST_COLUMNS:
        raise ValueError(f"{place!r:.20} is no cell")
    return number - 1
