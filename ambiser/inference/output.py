"""Writes predictions as TSV or JSON Lines, resumable: FILE.partial grows, and gets its name when all is done."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ambiser.errors import UserError
from ambiser.inference.utterance_prediction import UtterancePrediction
from ambiser.io.files import write_text

FORMATS = ("tsv", "jsonl")
_DIGITS = 6


@dataclass(frozen=True)
class OutputRow:
    """The prediction for a recording or a window of it, with start and end in seconds."""

    file: str
    start_s: float
    end_s: float
    prediction: UtterancePrediction


@dataclass(frozen=True)
class Shape:
    """What all rows share: classes, pairs of heads, whether there are prototypes, raters, cutting, and the model."""

    classes: tuple[str, ...]
    pairs: tuple[str, ...]
    has_prototypes: bool
    raters: int
    cutting: str
    model: str


def columns_of(shape: Shape) -> list[str]:
    """Returns the header of the table."""
    return [
        *("file", "start_s", "end_s", "label"),
        *(f"p_{name}" for name in shape.classes),
        *("entropy_bits", "expected_agreement", f"no_majority_{shape.raters}", "member_information_bits"),
        *(f"jsd_bits_{pair}" for pair in shape.pairs),
        *(["nearest_prototype", *(f"cosine_{name}" for name in shape.classes)] if shape.has_prototypes else []),
        *("notes", "cutting", "model"),
    ]


def fields_of(row: OutputRow, shape: Shape) -> list[str]:
    """Returns the fields of a row of the table."""
    one = row.prediction
    numbers = [one.entropy_bits, one.expected_agreement, one.no_majority(shape.raters), one.member_information_bits]
    cosines = one.prototype_similarity
    return [
        row.file,
        *(f"{row.start_s:.3f}", f"{row.end_s:.3f}", one.label),
        *(f"{one.distribution[name]:.{_DIGITS}f}" for name in shape.classes),
        *(f"{number:.{_DIGITS}f}" for number in numbers),
        *(f"{one.head_jsd_bits[pair]:.{_DIGITS}f}" for pair in shape.pairs),
        *([one.nearest_prototype, *(f"{cosines[name]:.{_DIGITS}f}" for name in shape.classes)] if cosines else []),
        *("; ".join(one.notes), shape.cutting, shape.model),
    ]


def record_of(row: OutputRow, shape: Shape) -> dict[str, object]:
    """Returns a row as a JSON object."""
    one = row.prediction

    def rounded(values: dict[str, float]) -> dict[str, float]:
        return {name: round(value, _DIGITS) for name, value in values.items()}

    return {
        "file": row.file,
        "start_s": round(row.start_s, 3),
        "end_s": round(row.end_s, 3),
        "label": one.label,
        "distribution": rounded(one.distribution),
        **rounded({"entropy_bits": one.entropy_bits, "expected_agreement": one.expected_agreement}),
        "no_majority": {str(shape.raters): round(one.no_majority(shape.raters), _DIGITS)},
        "member_information_bits": round(one.member_information_bits, _DIGITS),
        "head_jsd_bits": rounded(one.head_jsd_bits),
        "nearest_prototype": one.nearest_prototype,
        "prototype_similarity": rounded(one.prototype_similarity),
        "notes": list(one.notes),
        "cutting": shape.cutting,
        "model": shape.model,
    }


class Writer:
    """Writes the rows of one recording at a time, to a file or to standard output.

    Args:
        path: the file; None for standard output.
        form: tsv or jsonl.
        made_by: cutting and id of the model, which the rows to keep must have.
        resume: keep the recordings of an earlier run.

    Raises:
        UserError: the earlier file cannot be continued.
    """

    def __init__(self, path: Path | None, form: str, made_by: tuple[str, str], *, resume: bool = False) -> None:
        self.path, self.form, self._made_by = path, form, made_by
        self.done: set[str] = set()
        self._header = ""
        self._kept: list[str] = []
        if path is not None and resume:
            self._keep(path)
        self._stream: IO[str] | None = None

    @property
    def partial(self) -> Path | None:
        """The file that grows; None for standard output."""
        return None if self.path is None else self.path.with_name(f"{self.path.name}.partial")

    def write(self, rows: Sequence[OutputRow], shape: Shape) -> None:
        """Appends all rows of a recording at once.

        Raises:
            UserError: the disk is full, the file cannot be written, or earlier rows have other columns.
        """
        header = "\t".join(columns_of(shape)) if self.form == "tsv" else ""
        if self._header and header != self._header:
            raise UserError(f"{self.path}: has other columns than this run; write to another --output")
        lines = [
            "\t".join(fields_of(row, shape))
            if self.form == "tsv"
            else json.dumps(record_of(row, shape), ensure_ascii=False, allow_nan=False)
            for row in rows
        ]
        try:
            if self._stream is None:
                self._open(header)
            self._stream.write("".join(f"{line}\n" for line in lines))
            self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise UserError(f"{self.partial or 'standard output'}: cannot be written: {error.strerror}") from error
        self.done |= {row.file for row in rows}

    def close(self, *, finished: bool) -> None:
        """Closes the file; a finished one gets its name."""
        if self.path is None:
            return
        try:
            if self._stream is None and self._kept:
                self._open(self._header)
            if self._stream is not None:
                self._stream.close()
            if finished and self.partial.is_file() and self.done:
                os.replace(self.partial, self.path)
        except OSError as error:
            raise UserError(f"{self.path}: cannot be written: {error.strerror}") from error

    def _open(self, header: str) -> None:
        lines = ([header] if header else []) + self._kept
        if self.path is None:
            self._stream = sys.stdout
            self._stream.write("".join(f"{line}\n" for line in lines))
            return
        write_text(self.partial, "".join(f"{line}\n" for line in lines))
        self._stream = open(self.partial, "a", encoding="utf-8", newline="\n")  # noqa: SIM115 - closed by `close`

    def _keep(self, path: Path) -> None:
        """Reads the rows of an earlier run; a run that was stopped redoes the recording that it wrote last."""
        old = self.partial if self.partial.is_file() else path
        if not old.is_file():
            return
        lines = old.read_text(encoding="utf-8").split("\n")[:-1]  # a line without its end is dropped
        if self.form == "tsv":
            self._header, lines = (lines[0], lines[1:]) if lines else ("", [])
        try:
            named = [self._read(line) for line in lines]
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{old}: is no {self.form} output of ambiser predict; remove it") from error
        if others := {made_by for _, made_by in named} - {self._made_by}:
            them, us = (" by ".join(made_by) for made_by in (min(others), self._made_by))
            raise UserError(f"{old}: was written with {them}, this run has {us}; write to another --output")
        redo = {named[-1][0]} if named and old == self.partial else set()
        pairs = [(file, line) for (file, _), line in zip(named, lines, strict=True) if file not in redo]
        self._kept, self.done = [line for _, line in pairs], {file for file, _ in pairs}

    def _read(self, line: str) -> tuple[str, tuple[str, str]]:
        """Returns the recording of a line, and its cutting and model."""
        if self.form == "jsonl":
            row = json.loads(line)
        else:
            row = dict(zip(self._header.split("\t"), line.split("\t"), strict=True))
        return row["file"], (row["cutting"], row["model"])
