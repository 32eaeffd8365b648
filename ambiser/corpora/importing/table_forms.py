"""Recognizes the form of a table of labels, and reads its votes: long, a column per rater, counts, or one label."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ambiser.corpora.corpus import gender_code
from ambiser.corpora.findings import Findings
from ambiser.corpora.importing.label_words import LabelWords
from ambiser.corpora.importing.spreadsheet import read_rows
from ambiser.errors import DataError
from ambiser.io.console import progress
from ambiser.labels.vote_table import ANONYMOUS

COLUMN_NAMES = {
    "utt": ("utt", "utterance", "file", "filename", "file name", "name", "clip", "wav", "audio", "path", "id"),
    "rater": ("rater", "annotator", "worker", "evaluator", "listener", "rater id", "worker id", "annotator id"),
    "label": ("label", "emotion", "vote", "category", "class", "annotation"),
    "speaker": ("speaker", "spk", "actor", "speaker id", "actor id"),
    "gender": ("gender", "sex"),
    "session": ("session", "dialog", "dialogue"),
    "start": ("start", "begin", "onset", "start s", "start time"),
    "end": ("end", "stop", "end s", "end time"),
    "channel": ("channel",),
    "text": ("text", "transcript", "transcription", "words", "sentence"),
}
ABOUT_UTTERANCE = ("speaker", "gender", "session", "text", "channel")
_CHECKED = 200  # rows that decide which columns are raters
_MOST_VOTES = 1000


@dataclass
class ImportedTable:
    """The content of a table, by utterance as the table names it.

    Attributes:
        form: long, raters, counts or single.
        votes: rater and code of every vote.
        about: speaker, gender, session, text and channel, if the table has them.
        lines: the first line of every utterance.
        files: the file of every utterance, as the table names it.
        spans: start and end in seconds of utterances that are parts of a file.
    """

    form: str
    votes: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    about: dict[str, dict[str, str]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    spans: dict[str, tuple[float, float]] = field(default_factory=dict)


def read_label_table(
    path: Path, words: LabelWords, findings: Findings, columns: Mapping[str, str] | None = None
) -> ImportedTable:
    """Reads a table of labels.

    Args:
        path: CSV, TSV or XLSX, with a header.
        words: the mapping of words to codes.
        findings: gets a fault for every cell that cannot be used.
        columns: the user's names of columns, by utt, rater, label, speaker, gender, session or text.

    Raises:
        DataError: the file is no table, or its form is not recognized.
    """
    rows = read_rows(path)
    header = [" ".join(name.split()) for name in next(rows, (1, []))[1]]  # a cell may hold line breaks
    content = list(rows)
    named = find_columns(path, header, columns or {})
    form, marks = find_form(path, header, content, named, words)
    table = ImportedTable(form)
    read_row, has_spans = FORMS[form], "start" in named
    if has_spans != ("end" in named):
        there, missing = ("start", "end") if has_spans else ("end", "start")
        raise DataError(f"{path}:1: there is a column for the {there} of an utterance and none for its {missing}")
    width, file_column, place = len(header), named["utt"], str(path)
    about = [(meaning, named[meaning]) for meaning in ABOUT_UTTERANCE if meaning in named]
    for line, cells in progress(content, f"reading {path.name}"):
        where = f"{place}:{line}"
        if len(cells) > width:
            findings.error(f"the header has {width} cells, the row has more", where)
            continue
        row = dict(zip(header, cells if len(cells) == width else [*cells, *[""] * (width - len(cells))], strict=True))
        utt = file = row[file_column]
        if not file:
            findings.error("the row names no file", where)
            continue
        if has_spans:
            utt = _add_span(table, file, row, named, where, findings)
        if utt not in table.lines:
            table.lines[utt], table.files[utt], table.votes[utt], table.about[utt] = line, file, [], {}
        _add_about(table.about[utt], row, about, where, findings)
        given = table.votes[utt]
        given.extend(read_row(row, named, marks, words, where, findings, len(given)))
    return table


def find_columns(path: Path, header: list[str], own: Mapping[str, str]) -> dict[str, str]:
    """Returns the column of the table for each known meaning.

    Raises:
        DataError: no column names the file, or the user's column is not there.
    """
    plain = {" ".join(name.casefold().replace("_", " ").split()): name for name in header}
    found = {}
    for meaning, names in COLUMN_NAMES.items():
        if meaning in own and own[meaning] not in header:
            raise DataError(f"{path}:1: no column {own[meaning]!r}; the columns are {', '.join(header)}")
        column = own.get(meaning) or next((plain[name] for name in names if name in plain), "")
        if column and column not in found.values():
            found[meaning] = column
    if "utt" not in found:
        raise DataError(
            f"{path}:1: no column names the audio file; use --columns utt=NAME; the columns are {', '.join(header)}"
        )
    return found


def find_form(
    path: Path, header: list[str], rows: list, named: Mapping[str, str], words: LabelWords
) -> tuple[str, list[str]]:
    """Returns the form of the table, and the columns that hold its votes.

    Raises:
        DataError: it is none of the four.
    """
    if "label" in named:
        return ("long" if "rater" in named else "single"), [named["label"]]
    others = [name for name in header if name and name not in named.values()]
    classes = [name for name in others if words.knows(name)]
    cells = {name: [row[i] for _, row in rows[:_CHECKED] if len(row) > i and row[i]] for i, name in enumerate(header)}
    if len(classes) > 1 and all(_whole(cell) is not None for name in classes for cell in cells[name]):
        return "counts", classes
    raters = [n for n in others if cells[n] and sum(map(words.knows, cells[n])) > len(cells[n]) / 2]
    if raters:
        return "raters", raters
    raise DataError(
        f"{path}:1: no column holds labels; name it with --columns label=NAME, or map its words with --labels "
        f"WORD=CODE; the columns are {', '.join(header)}"
    )


def _add_about(
    known: dict[str, str], row: Mapping[str, str], columns: list[tuple[str, str]], where: str, findings: Findings
) -> None:
    """Keeps speaker, gender, session, text and channel; rows of one utterance must agree."""
    for meaning, column in columns:
        value = row[column]
        if not value or known.get(meaning) == value:
            continue
        if meaning == "gender" and not gender_code(value):
            findings.error("gender must be a word such as female, male, f or m", where, value)
        if known.setdefault(meaning, value) != value:
            findings.error(
                f"{meaning} differs from an earlier row of the utterance", where, f"{value}, {known[meaning]}"
            )


def _add_span(
    table: ImportedTable, file: str, row: Mapping[str, str], named: Mapping[str, str], where: str, findings: Findings
) -> str:
    """Notes start and end of a row, and returns the name of its utterance, which holds them; without times the file."""
    texts = [row[named[meaning]] for meaning in ("start", "end")]
    if not any(texts):
        return file
    try:
        start_s, end_s = (float(text.replace(",", ".")) for text in texts)
    except ValueError:
        start_s = end_s = -1.0
    if not 0 <= start_s < end_s:
        findings.error("start and end must be seconds, and end after start", where, " ".join(texts))
        return file
    utt = f"{file} [{start_s:g}-{end_s:g}]"
    table.spans[utt] = (start_s, end_s)
    return utt


def _read_code(word: str, words: LabelWords, where: str, findings: Findings) -> str:
    """Returns the code of a word; empty for an empty cell, an ignored word, and an unknown one, which is a fault."""
    code = words.code(word) if word else "-"
    if not code:
        findings.error("unknown label; map it with --labels WORD=CODE, or declare it with --new_labels", where, word)
    return code.removeprefix("-")


def _read_long(
    row: Mapping, named: Mapping, marks: list[str], words: LabelWords, where: str, findings: Findings, n: int
) -> Iterator[tuple[str, str]]:
    code = _read_code(row[marks[0]], words, where, findings)
    rater = row[named["rater"]]
    if code and not rater:
        findings.error("the rater has no name", where)
    elif code:
        yield rater, code


def _read_single(
    row: Mapping, named: Mapping, marks: list[str], words: LabelWords, where: str, findings: Findings, n: int
) -> Iterator[tuple[str, str]]:
    code = _read_code(row[marks[0]], words, where, findings)
    if code:
        yield f"{ANONYMOUS}{n + 1:02d}", code


def _read_raters(
    row: Mapping, named: Mapping, marks: list[str], words: LabelWords, where: str, findings: Findings, n: int
) -> Iterator[tuple[str, str]]:
    for rater in marks:
        code = _read_code(row[rater], words, where, findings)
        if code:
            yield rater, code


def _read_counts(
    row: Mapping, named: Mapping, marks: list[str], words: LabelWords, where: str, findings: Findings, n: int
) -> Iterator[tuple[str, str]]:
    for word in marks:
        count = _whole(row[word] or "0")
        if count is None:
            findings.error(f"the number of votes must be a whole number from 0 to {_MOST_VOTES}", where, row[word])
        for _ in range(count or 0):
            n += 1
            yield f"{ANONYMOUS}{n:02d}", words.code(word)


FORMS: dict[str, Callable] = {
    "long": _read_long,
    "single": _read_single,
    "raters": _read_raters,
    "counts": _read_counts,
}


def _whole(text: str) -> int | None:
    """Returns a whole number, also as 2.0 or 2,0; None for anything else."""
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return int(value) if value == value and 0 <= value <= _MOST_VOTES and value == int(value) else None
