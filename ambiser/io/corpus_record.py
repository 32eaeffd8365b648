"""Writes and reads the record of stage 1 (data/corpus.json): corpus, settings, split and counts."""

from dataclasses import dataclass
from pathlib import Path

from ambiser.io.files import read_json, write_json
from ambiser.io.records import from_json, to_json


@dataclass(frozen=True)
class CorpusRecord:
    """What stage 1 says about the prepared corpus; written last, so its presence means that stage 1 is done.

    Attributes:
        corpus_dir: the folder of the corpus as it was read.
        data: the `data` section of the configuration.
        corpus: name of the parser.
        version: release of the corpus; empty if unknown.
        protocol: how the folds were made.
        dev: what chooses epochs, in words.
        folds: fold numbers, from 1.
        parts: by fold number (as text, because JSON keys are text) and part: the number of utterances.
        sessions: names, sorted.
        speakers: names, sorted.
        utterances: number of utterances kept.
        duration_s: their total duration.
        votes: number of votes, secondary and self-assigned ones included.
        codes: number of utterances per released consensus code.
        left_out: number of utterances left out.
        warnings: how often each was given.
        made_up: whether the corpus is synthetic.
        leaks: by kind (speaker, recording, wav): how many are in more than one part; empty if none.
        audio: by kind (sample rate, channels, format): number of utterances per value; None in older records.
    """

    corpus_dir: str
    data: dict[str, object]
    corpus: str
    version: str
    protocol: str
    dev: str
    folds: list[int]
    parts: dict[str, dict[str, int]]
    sessions: list[str]
    speakers: list[str]
    utterances: int
    duration_s: float
    votes: int
    codes: dict[str, int]
    left_out: int
    warnings: dict[str, int]
    made_up: bool
    leaks: dict[str, int]
    audio: dict[str, dict[str, int]] | None = None

    def settings(self) -> dict[str, object]:
        """Returns what a second run must agree with: the folder of the corpus and the `data` section."""
        return {"corpus_dir": self.corpus_dir, "data": self.data}

    def write(self, path: Path) -> None:
        """Writes the record as JSON, by rename."""
        write_json(path, to_json(self))


def read_record(path: Path) -> CorpusRecord:
    """Reads data/corpus.json.

    Raises:
        DataError: the file is missing, no JSON, or has missing, unknown or wrongly typed entries.
    """
    return from_json(CorpusRecord, read_json(path), str(path))
