"""Reads votes.tsv, the only store of votes, as columns of small integers."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import numpy as np

from ambiser.config.data_keys import LABELS
from ambiser.errors import DataError
from ambiser.labels.vocabulary import read_vocabulary

COLUMNS = ("utt", "rater", "source", "slot", "label")
SOURCES = ("outside", "self")
SLOTS = ("primary", "secondary")
ANONYMOUS = "anon"
"""Prefix of rater names that are unique within one utterance only: the same name elsewhere is another person."""
_CHUNK_BYTES = 2**23


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
    names: tuple[dict[str, int], dict[str, int]] = ({}, {})
    labels = read_vocabulary(path.parent)
    vocabularies = [{word: i for i, word in enumerate(words)} for words in (SOURCES, SLOTS, labels)]
    chunks: list[list[np.ndarray]] = []
    try:
        with open(path, "rb") as stream:
            at = _check_header(path, stream.readline())
            line = 2
            while block := stream.readlines(_CHUNK_BYTES):
                fields = _split(path, block, line=line, at=at)
                columns = [fields[i :: len(COLUMNS)] for i in range(len(COLUMNS))]
                coded = [_number(column, codes) for column, codes in zip(columns[:2], names, strict=True)]
                for i, codes in enumerate(vocabularies, start=2):
                    coded.append(_encode(columns[i], codes, path, COLUMNS[i], line=line))
                chunks.append(coded)
                line += len(block)
                at += sum(map(len, block))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    empty = np.zeros(0, np.int32)
    utt, rater, source, slot, label = (
        (np.concatenate([empty, *parts]) for parts in zip(*chunks, strict=True)) if chunks else [empty] * 5
    )
    (utts, utt), (raters, rater) = _sort_names(names[0], utt), _sort_names(names[1], rater)
    return VoteTable(utts, raters, utt, rater, source, slot, label, labels)


def _check_header(path: Path, header: bytes) -> int:
    """Returns the length of the header after checking it."""
    text = _decode(path, header, 0)
    if tuple(text.rstrip("\n").split("\t")) != COLUMNS:
        _check_end(path, text)
        raise DataError(f"{path}:1: the header must be {' '.join(COLUMNS)}; got {text.strip()[:80]!r}")
    _check_end(path, text)
    return len(header)


def _split(path: Path, block: list[bytes], *, line: int, at: int) -> list[str]:
    """Returns the fields of whole lines, one after the other."""
    text = _decode(path, b"".join(block), at)
    _check_end(path, text)
    lines = text.split("\n")[:-1]
    tabs = np.fromiter(map(str.count, lines, repeat("\t")), np.int64, len(lines))
    if (tabs != len(COLUMNS) - 1).any():
        wrong = int(np.argmax(tabs != len(COLUMNS) - 1))
        raise DataError(f"{path}:{line + wrong}: {tabs[wrong] + 1} fields where the header has {len(COLUMNS)}")
    return "\t".join(lines).split("\t")


def _decode(path: Path, content: bytes, at: int) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 (byte {at + error.start})") from error


def _check_end(path: Path, text: str) -> None:
    if not text.endswith("\n"):
        raise DataError(f"{path}: the last line has no end; the file is cut off, run stage 1 again")


def _number(column: list[str], codes: dict[str, int]) -> np.ndarray:
    """Numbers names in the order in which they come."""
    for name in dict.fromkeys(column):
        codes.setdefault(name, len(codes))
    return np.fromiter(map(codes.__getitem__, column), np.int32, len(column))


def _sort_names(codes: dict[str, int], column: np.ndarray) -> tuple[list[str], np.ndarray]:
    names = sorted(codes)  # code points sort like the bytes of UTF-8
    rank = np.zeros(len(names), np.int32)
    rank[[codes[name] for name in names]] = np.arange(len(names), dtype=np.int32)
    return names, rank[column]


def _encode(column: Sequence[str], code: dict[str, int], path: Path, name: str, *, line: int) -> np.ndarray:
    try:
        return np.fromiter(map(code.__getitem__, column), np.int32, len(column))
    except KeyError as error:
        where = f"{path}:{line + column.index(error.args[0])}"
        raise DataError(f"{where}: {name} must be one of {', '.join(code)}; got {error.args[0]!r}") from error
