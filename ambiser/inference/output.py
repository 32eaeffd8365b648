"""Writes predictions as TSV or JSON Lines, resumable: FILE.partial grows, and gets its name when all is done."""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from ambiser.errors import UserError
from ambiser.inference.output_rows import (
    OutputRow,
    Shape,
    check_record,
    columns_of,
    fields_of,
    keys_of,
    record_of,
    record_of_fields,
)
from ambiser.io.files import parse_json, read_file, write_text

FORMATS = ("tsv", "jsonl")


class Writer:
    """Writes the rows of one recording at a time, to a file or to standard output.

    Args:
        path: the file; None for standard output.
        form: tsv or jsonl.
        made_by: cutting and id of the model, which the rows to keep must have.
        resume: keep the recordings of an earlier run.
        collect: receives every row as the object that `record_of` returns, kept rows too.

    Raises:
        UserError: the earlier file cannot be continued.
    """

    def __init__(
        self,
        path: Path | None,
        form: str,
        made_by: tuple[str, str],
        *,
        resume: bool = False,
        collect: Callable[[Mapping[str, object]], None] = lambda record: None,
    ) -> None:
        self.path, self.form, self.made_by, self._collect = path, form, made_by, collect
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
        records = [record_of(row, shape) for row in rows]
        if self.form == "tsv":
            lines = ["\t".join(fields_of(row, shape)) for row in rows]
        else:
            lines = [json.dumps(record, ensure_ascii=False, allow_nan=False) for record in records]
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
        for record in records:
            self._collect(record)

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
        try:
            lines = read_file(old).decode("utf-8").split("\n")[:-1]  # a line without its end is dropped
            if self.form == "tsv":
                self._header, lines = (lines[0], lines[1:]) if lines else ("", [])
            records = [self._read(line) for line in lines]
            if len({keys_of(record) for record in records}) > 1:
                raise ValueError("rows of other classes")
            made_by = {(record["cutting"], record["model"]) for record in records} - {self.made_by}
            redo = {records[-1]["file"]} if records and old == self.partial else set()
            kept = [(record, line) for record, line in zip(records, lines, strict=True) if record["file"] not in redo]
            self._kept, self.done = [line for _, line in kept], {record["file"] for record, _ in kept}
        except OSError as error:
            raise UserError(f"{old}: cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{old}: is no {self.form} output of ambiser predict; remove it") from error
        if made_by:
            them, us = (" by ".join(pair) for pair in (min(made_by), self.made_by))
            raise UserError(f"{old}: was written with {them}, this run has {us}; write to another --output")
        for record, _ in kept:
            self._collect(record)

    def _read(self, line: str) -> dict[str, object]:
        """Returns a line as an object."""
        if self.form == "jsonl":
            return check_record(parse_json(line))
        return check_record(record_of_fields(dict(zip(self._header.split("\t"), line.split("\t"), strict=True))))
