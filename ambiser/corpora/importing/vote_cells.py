"""Reads the votes in the cells of a row, for each form of a table of labels."""

from collections.abc import Callable, Sequence

from ambiser.corpora.importing.label_words import LabelWords
from ambiser.labels.vote_table import ANONYMOUS

_MOST_VOTES = 1000
Row = Sequence[str]
Fault = Callable[[str, int, str], None]
"""Reports a reason, the line and the value."""
AddVotes = Callable[[Row, int, list[tuple[str, str]]], None]
"""Adds the votes of a row, which has a line number, to those of its utterance, as rater and code."""


def whole_number(text: str) -> int | None:
    """Returns a whole number, also as 2.0 or 2,0; None for anything else."""
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return int(value) if value == value and 0 <= value <= _MOST_VOTES and value == int(value) else None


def _code_reader(words: LabelWords, fault: Fault) -> Callable[[str, int], str]:
    """Returns a function from word and line to code: empty for an empty cell, an ignored word, and an unknown one."""

    def read(word: str, line: int) -> str:
        code = words.code(word) if word else "-"
        if not code:
            fault("unknown label; map it with --labels WORD=CODE, or declare it with --new_labels", line, word)
        return "" if code == "-" else code

    return read


def _long(marks: list[int], names: list[str], words: LabelWords, fault: Fault) -> AddVotes:
    read, (label_at, rater_at) = _code_reader(words, fault), marks

    def add(cells: Row, line: int, given: list[tuple[str, str]]) -> None:
        code, rater = read(cells[label_at], line), cells[rater_at]
        if code and rater:
            given.append((rater, code))
        elif code:
            fault("the rater has no name", line, "")

    return add


def _single(marks: list[int], names: list[str], words: LabelWords, fault: Fault) -> AddVotes:
    read = _code_reader(words, fault)

    def add(cells: Row, line: int, given: list[tuple[str, str]]) -> None:
        code = read(cells[marks[0]], line)
        if code:
            given.append((f"{ANONYMOUS}{len(given) + 1:02d}", code))

    return add


def _raters(marks: list[int], raters: list[str], words: LabelWords, fault: Fault) -> AddVotes:
    read, columns = _code_reader(words, fault), list(zip(marks, raters, strict=True))

    def add(cells: Row, line: int, given: list[tuple[str, str]]) -> None:
        for at, rater in columns:
            code = read(cells[at], line)
            if code:
                given.append((rater, code))

    return add


def _counts(marks: list[int], classes: list[str], words: LabelWords, fault: Fault) -> AddVotes:
    columns = list(zip(marks, classes, strict=True))

    def add(cells: Row, line: int, given: list[tuple[str, str]]) -> None:
        for at, word in columns:
            count = whole_number(cells[at] or "0")
            if count is None:
                fault(f"the number of votes must be a whole number from 0 to {_MOST_VOTES}", line, cells[at])
            for _ in range(count or 0):
                code = words.code(word)
                if code != "-":
                    given.append((f"{ANONYMOUS}{len(given) + 1:02d}", code))

    return add


FORMS = {"long": _long, "single": _single, "raters": _raters, "counts": _counts}
"""For each form, a function that returns the reader of its rows."""
