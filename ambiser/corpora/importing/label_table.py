"""Reads a table of labels: votes, speakers, texts and times by utterance."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

from ambiser.corpora.corpus import gender_code
from ambiser.corpora.findings import Findings
from ambiser.corpora.importing.label_words import LabelWords
from ambiser.corpora.importing.spreadsheet import read_rows
from ambiser.corpora.importing.table_forms import find_columns, find_form
from ambiser.corpora.importing.vote_cells import FORMS, Row
from ambiser.errors import DataError
from ambiser.io.console import progress

ABOUT_UTTERANCE = ("speaker", "gender", "session", "text", "channel")
_CHECKED = 200  # rows that decide which columns are raters


@dataclass
class ImportedTable:
    """The content of a table, by utterance as the table names it.

    Attributes:
        form: long, raters, counts or single.
        columns: the name of the column of each meaning that the table has.
        label_columns: names of the columns that hold votes.
        unused: names of all other columns.
        votes: rater and code of every vote.
        about: speaker, gender, session, text and channel, if the table has them.
        lines: the first line of every utterance.
        files: the file of every utterance, as the table names it.
        spans: start and end in seconds of utterances that are parts of a file.
        faulty: utterances with a vote that cannot be read.
    """

    form: str
    columns: dict[str, str]
    label_columns: list[str]
    unused: list[str]
    votes: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    about: dict[str, dict[str, str]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    spans: dict[str, tuple[float, float]] = field(default_factory=dict)
    faulty: set[str] = field(default_factory=set)


def read_label_table(
    path: Path, words: LabelWords, findings: Findings, columns: Mapping[str, str] | None = None
) -> ImportedTable:
    """Reads a table of labels.

    Args:
        path: CSV, TSV or XLSX, with a header.
        words: the mapping of words to codes.
        findings: gets a fault for every column and every cell that cannot be used.
        columns: the user's names of columns, by utt, rater, label, speaker, gender, session or text.

    Raises:
        DataError: the file is no table or has no rows, or the columns of files or labels are not found.
    """
    rows = read_rows(path)
    header = [" ".join(name.split()) for name in next(rows, (1, []))[1]]  # a cell may hold line breaks
    first = list(islice(rows, _CHECKED))
    if not first:
        raise DataError(f"{path}: {'has no rows below its header' if any(header) else 'is empty'}")
    named = find_columns(path, header, columns or {}, findings)
    form, marks = find_form(path, header, first, named, words, findings)
    used = {*named.values(), *marks}
    table = ImportedTable(form, named, marks, [name for name in header if name and name not in used])
    reader = _RowReader(path, header, table, words, findings)
    for line, cells in progress(chain(first, rows), f"reading {path.name}"):
        reader.read(line, cells)
    return table


class _RowReader:
    """Adds rows to a table; columns are numbers here, because a dictionary per row would double the time."""

    def __init__(
        self, path: Path, header: list[str], table: ImportedTable, words: LabelWords, findings: Findings
    ) -> None:
        self._place, self._width, self._table, self._findings = str(path), len(header), table, findings
        place = {name: i for i, name in enumerate(header)}
        at = {meaning: place[name] for meaning, name in table.columns.items()}
        self._file = at["utt"]
        self._span = (at["start"], at["end"]) if "start" in at else None
        self._about = [(meaning, at[meaning]) for meaning in ABOUT_UTTERANCE if meaning in at]
        self._last: dict[str, list[str]] = {}  # by utterance, what an earlier row without faults said about it
        marks = [place[name] for name in table.label_columns] + ([at["rater"]] if table.form == "long" else [])
        self._add_votes = FORMS[table.form](marks, table.label_columns, words, self._fault)

    def read(self, line: int, cells: list[str]) -> None:
        """Reads a row."""
        table, missing = self._table, self._width - len(cells)
        if missing < 0:
            self._fault(f"the header has {self._width} cells, the row has more", line)
            return
        if missing:
            cells = [*cells, *[""] * missing]
        utt = file = cells[self._file]
        if not file:
            self._fault("the row names no file", line)
            return
        if self._span:
            utt = self._add_span(file, cells, line)
        votes = table.votes.get(utt)
        if votes is None:
            table.lines[utt], table.files[utt], table.about[utt] = line, file, {}
            votes = table.votes[utt] = []
        about = [cells[i] for _, i in self._about]
        if self._last.get(utt) != about:
            self._add_about(utt, about, line)
        earlier = len(self._findings.faults)
        self._add_votes(cells, line, votes)
        if len(self._findings.faults) > earlier:
            table.faulty.add(utt)

    def _fault(self, reason: str, line: int, value: str = "") -> None:
        self._findings.error(reason, f"{self._place}:{line}", value)

    def _add_about(self, utt: str, values: list[str], line: int) -> None:
        """Keeps speaker, gender, session, text and channel; rows of one utterance must agree."""
        known, earlier = self._table.about[utt], len(self._findings.faults)
        for (meaning, _), value in zip(self._about, values, strict=True):
            if not value or known.get(meaning) == value:
                continue
            if meaning == "gender" and not gender_code(value):
                self._fault("gender must be a word such as female, male, f or m", line, value)
            if known.setdefault(meaning, value) != value:
                self._fault(
                    f"{meaning} differs from an earlier row of the utterance", line, f"{value}, {known[meaning]}"
                )
        if len(self._findings.faults) == earlier:
            self._last[utt] = values

    def _add_span(self, file: str, cells: Row, line: int) -> str:
        """Notes start and end of a row, and returns the name of its utterance, which holds them; else the file."""
        texts = [cells[i] for i in self._span]
        if not any(texts):
            return file
        try:
            start_s, end_s = (float(text.replace(",", ".")) for text in texts)
        except ValueError:
            start_s = end_s = -1.0
        if not 0 <= start_s < end_s:
            self._fault("start and end must be seconds, and end after start", line, " ".join(texts))
            return file
        utt = f"{file} [{start_s:g}-{end_s:g}]"
        self._table.spans[utt] = (start_s, end_s)
        return utt
