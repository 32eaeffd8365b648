"""Reads votes.tsv, the only store of votes, as columns of small integers."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import numpy as np

from ambiser.config.data_keys import LABELS
from ambiser.errors import DataError
from ambiser.io.threads import without_collection
from ambiser.labels.vocabulary import read_vocabulary

COLUMNS = ("utt", "rater", "source", "slot", "label")
SOURCES = ("outside", "self")
SLOTS = ("primary", "secondary")
ANONYMOUS = "anon"
"""Prefix of rater names that are unique within one utterance only: the same name elsewhere is another person."""
_CHUNK_BYTES = 2**16  # lines and fields then stay in the cache of the processor


@dataclass(frozen=True)
class VoteTable:
    """All votes of a corpus, one entry of every column for each label given.

    utts and raters are names, sorted bytewise; the columns hold indices into them, into SOURCES, SLOTS and `labels`,
    the vocabulary of the corpus.
    """

    utts: list[str]
    raters: list[str]
    utt: np.ndarray
    rater: np.ndarray
    source: np.ndarray
    slot: np.ndarray
    label: np.ndarray
    labels: tuple[str, ...] = LABELS

    def rows_in(self, names: Sequence[str]) -> np.ndarray:
        """Returns the place of each of `utts` in other names, (utts,); -1 for none."""
        row_of = {name: row for row, name in enumerate(names)}
        return np.fromiter((row_of.get(utt, -1) for utt in self.utts), np.int64, len(self.utts))


def read_votes(path: Path) -> VoteTable:
    """Reads votes.tsv; the labels are the built-in ones and those that the folder declares.

    Raises:
        DataError: with file and line: a header, a number of fields, a source, a slot or a label that is not known.
    """
    path = Path(path)
    labels = read_vocabulary(path.parent)
    utts, raters, kinds = _Numbers(), _Numbers(), _Kinds(labels)
    chunks: list[list[np.ndarray]] = [[np.zeros(0, np.int32)] * 3]
    try:
        with without_collection(), open(path, "rb") as stream:
            at = _check_header(path, stream.readline())
            line = 2
            while block := stream.read(_CHUNK_BYTES) + stream.readline():
                rows = _split(path, block, line=line, at=at)
                kinds.check(rows[2], path, line)
                chunks.append([_number(*pair) for pair in zip(rows, (utts, raters, kinds), strict=True)])
                line += len(rows[0])
                at += len(block)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    utt, rater, kind = (np.concatenate(parts) for parts in zip(*chunks, strict=True))
    source, slot, label = np.array(kinds.codes, np.int32).reshape(-1, 3)[kind].T.copy()
    (names, utt), (voters, rater) = _sort_names(utts, utt), _sort_names(raters, rater)
    return VoteTable(names, voters, utt, rater, source, slot, label, labels)


class _Numbers(dict[str, int]):
    """Numbers names in the order in which they come."""

    def __missing__(self, name: str) -> int:
        number = self[name] = len(self)
        return number


class _Kinds(_Numbers):
    """Numbers the few combinations of source, slot and label, each one text with tabs.

    codes: by number, their places in SOURCES, in SLOTS and in the vocabulary.
    """

    def __init__(self, labels: tuple[str, ...]) -> None:
        super().__init__()
        self.codes: list[list[int]] = []
        self._words = dict(zip(COLUMNS[2:], (SOURCES, SLOTS, labels), strict=True))

    def check(self, column: Sequence[str], path: Path, line: int) -> None:
        """Adds the combinations of a column whose first entry is in that line.

        Raises:
            DataError: a word is not known.
        """
        for kind in dict.fromkeys(column):
            if kind not in self:
                where = f"{path}:{line + column.index(kind)}"
                pairs = zip(kind.split("\t"), self._words.items(), strict=True)
                self.codes.append([_place(word, words, f"{where}: {name}") for word, (name, words) in pairs])
                self[kind] = len(self)


def _place(word: str, words: tuple[str, ...], where: str) -> int:
    if word not in words:
        raise DataError(f"{where} must be one of {', '.join(words)}; got {word!r}")
    return words.index(word)


def distinct(values: np.ndarray) -> np.ndarray:
    """Returns the distinct values of (N,) integers, sorted; np.unique hashes them, which takes ten times as long."""
    ordered = np.sort(values)
    return ordered[np.diff(ordered, prepend=ordered[:1] - 1) > 0]


def _check_header(path: Path, header: bytes) -> int:
    """Returns the length of the header after checking it."""
    text = _decode(path, header, 0)
    if tuple(text.rstrip("\n").split("\t")) != COLUMNS:
        _check_end(path, text)
        raise DataError(f"{path}:1: the header must be {' '.join(COLUMNS)}; got {text.strip()[:80]!r}")
    _check_end(path, text)
    return len(header)


def _split(path: Path, block: bytes, *, line: int, at: int) -> tuple[tuple[str, ...], ...]:
    """Returns the columns of whole lines: utterances, raters, and the other fields as one text."""
    text = _decode(path, block, at)
    _check_end(path, text)
    lines = text.split("\n")[:-1]
    tabs = list(map(str.count, lines, repeat("\t")))
    if set(tabs) != {len(COLUMNS) - 1}:
        wrong = next(i for i, n in enumerate(tabs) if n != len(COLUMNS) - 1)
        raise DataError(f"{path}:{line + wrong}: {tabs[wrong] + 1} fields where the header has {len(COLUMNS)}")
    return tuple(zip(*[one.split("\t", 2) for one in lines], strict=True))


def _decode(path: Path, content: bytes, at: int) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 (byte {at + error.start})") from error


def _check_end(path: Path, text: str) -> None:
    if not text.endswith("\n"):
        raise DataError(f"{path}: the last line has no end; the file is cut off, run stage 1 again")


def _number(column: Sequence[str], numbers: _Numbers) -> np.ndarray:
    return np.fromiter(map(numbers.__getitem__, column), np.int32, len(column))


def _sort_names(codes: dict[str, int], column: np.ndarray) -> tuple[list[str], np.ndarray]:
    names = sorted(codes)  # code points sort like the bytes of UTF-8
    rank = np.zeros(len(names), np.int32)
    rank[[codes[name] for name in names]] = np.arange(len(names), dtype=np.int32)
    return names, rank[column]
