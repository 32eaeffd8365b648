"""Groups utterances into shards with one ark each, and joins the shards by feats.scp.

The names and the number of utterances alone determine the shards. The bytes of every ark are therefore the same for any
number of workers and for resumed runs, and an added or removed utterance changes its own shard only. A shard is done if
its record (feats.0001.json) exists and agrees with the settings and all sources.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ambiser.errors import DataError
from ambiser.features.extraction.fingerprints import Fingerprint, is_same
from ambiser.io.ark import open_ark, read_scp
from ambiser.io.files import digest, read_json, write_json
from ambiser.io.tables import write_table, write_tsv

SHARD_UTTERANCES = 100
MOST_SHARDS = 4096
"""Corpora of more than 400,000 utterances get larger shards, not more files: three per shard in one folder."""
_RECORD_KEYS = {"settings", "sources", "entries", "notes", "errors"}

Sources = Mapping[str, Path | str]


@dataclass(frozen=True)
class Shard:
    """A numbered group of utterances with their sources (audio files, or words) and the settings."""

    number: int
    sources: dict[str, Path | str]
    settings: str

    @property
    def name(self) -> str:
        """The name of its files without suffix."""
        return f"feats.{self.number:04d}"


@dataclass
class ShardWriter:
    """Writes the features of a shard, one utterance at a time."""

    add_matrix: Callable[[str, np.ndarray], None]
    sources: dict[str, Fingerprint] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)

    def add(self, utt: str, matrix: np.ndarray, source: Fingerprint, notes: Iterable[str] = ()) -> None:
        """Writes the features of an utterance, with short notes about unusual input."""
        self.add_matrix(utt, matrix)
        self.sources[utt] = source
        for note in notes:
            self.notes.setdefault(note, []).append(utt)


def shard_count(utterances: int) -> int:
    """Returns the number of shards, a power of two."""
    count = 1
    while count * SHARD_UTTERANCES < utterances and count < MOST_SHARDS:
        count *= 2
    return count


def plan_shards(sources: Sources, settings: str) -> list[Shard]:
    """Divides utterances into shards of 50 to 100, or 4,096 larger ones, by the digest of their names.

    Within a shard they are in bytewise order.

    Args:
        sources: the audio file, or the words, by utterance.
        settings: text of all settings that change the features.
    """
    count = shard_count(len(sources))
    groups: list[dict[str, Path | str]] = [{} for _ in range(count)]
    for utt in sorted(sources, key=lambda utt: utt.encode("utf-8")):
        groups[int(digest(utt)[:8], 16) % count][utt] = sources[utt]
    known = digest(settings)
    return [Shard(number, group, known) for number, group in enumerate(groups, start=1) if group]


def is_done(folder: Path, shard: Shard) -> bool:
    """Tells whether the shard exists, made from the same sources with the same settings."""
    record = _record(folder / f"{shard.name}.json")
    return (
        record is not None
        and record["settings"] == shard.settings
        and record["sources"].keys() == shard.sources.keys()
        and (folder / f"{shard.name}.ark").is_file()
        and all(is_same(source, record["sources"][utt]) for utt, source in shard.sources.items())
    )


def are_finished(folder: Path) -> bool:
    """Tells whether feats.scp and every ark in it exist."""
    if not (folder / "feats.scp").is_file():
        return False
    arks = {entry.rpartition(":")[0] for entry in read_scp(folder / "feats.scp").values()}
    return all(Path(ark).is_file() for ark in arks)


def compare_sources(folder: Path, sources: Sources) -> tuple[list[str], list[str]]:
    """Returns the utterances without features in a folder, and those whose source has changed since."""
    known: dict[str, Fingerprint] = {}
    for path in folder.glob("feats.[0-9]*.json"):
        record = _record(path)
        known |= record["sources"] if record else {}
    missing = [utt for utt in sources if utt not in known]
    return missing, [utt for utt, source in sources.items() if utt in known and not is_same(source, known[utt])]


@contextlib.contextmanager
def open_shard(folder: Path, shard: Shard, *, half: bool = False) -> Iterator[ShardWriter]:
    """Opens a shard for writing; its ark, its scp and, last, its record appear by rename when the block ends.

    If an utterance is not added, the record lacks it, and the shard is not done.
    """
    (folder / f"{shard.name}.json").unlink(missing_ok=True)
    with open_ark(folder / f"{shard.name}.ark", half=half) as ark:
        writer = ShardWriter(ark.add)
        yield writer
    write_table(folder / f"{shard.name}.scp", ark.entries)
    made = {"settings": shard.settings, "sources": writer.sources, "entries": ark.entries, "notes": writer.notes}
    write_json(folder / f"{shard.name}.json", made | {"errors": list(ark.errors)})


def shard_entries(folder: Path, shard: Shard) -> dict[str, str]:
    """Returns the scp entries of a finished shard, with paths that can be opened."""
    record = _record(folder / f"{shard.name}.json")
    return {utt: f"{folder / entry}" for utt, entry in record["entries"].items()} if record else {}


def join_shards(folder: Path, shards: Iterable[Shard]) -> tuple[dict[str, int], tuple[float, float]]:
    """Writes notes.tsv (utt, note) and, last, feats.scp from the records of all shards; removes files of other shards.

    Returns:
        The number of utterances per note, and the largest errors of storage (see `ArkWriter`).

    Raises:
        DataError: a shard is not done.
    """
    entries: dict[str, str] = {}
    notes: list[tuple[str, str]] = []
    errors = np.zeros(2)
    names = set()
    for shard in shards:
        record = _record(folder / f"{shard.name}.json")
        if record is None or not is_done(folder, shard):
            raise DataError(f"{folder / shard.name}.json: is missing or was made from other sources; run stage 2 again")
        entries |= record["entries"]
        names |= {f"{shard.name}.{ending}" for ending in ("ark", "scp", "json")}
        errors = np.maximum(errors, record["errors"])
        notes += [(utt, note) for note, utts in record["notes"].items() for utt in utts]
    for path in [*folder.glob("feats.[0-9]*.*"), *folder.glob(".feats.*.tmp")]:
        if path.name not in names:
            path.unlink(missing_ok=True)
    write_tsv(folder / "notes.tsv", ["utt", "note"], sorted(notes))
    write_table(folder / "feats.scp", entries)
    return dict(sorted(Counter(note for _, note in notes).items())), tuple(errors.tolist())


def _record(path: Path) -> dict | None:
    with contextlib.suppress(DataError):
        record = read_json(path)
        if isinstance(record, dict) and record.keys() >= _RECORD_KEYS:
            return record
    return None
