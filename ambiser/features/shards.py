"""Shards: fixed groups of utterances, each with an ark that is made once, and the feats.scp that joins them.

Which utterances share a shard depends on nothing but the sorted list of all, so the bytes of every ark are the same
for any number of workers and for any run that was broken off. A shard is done when its record (feats.0001.json) is
there; the record holds the digest of all that shaped the shard, so that a stale one is never taken for done.
"""

import contextlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ambiser.errors import DataError
from ambiser.io.ark import read_scp, write_ark
from ambiser.io.files import digest, read_json, write_json
from ambiser.io.tables import write_table

SHARD_UTTERANCES = 100


@dataclass(frozen=True)
class Shard:
    """A numbered group of utterances, their wavs, and the digest of all that shapes their features."""

    number: int
    wavs: dict[str, str]
    digest: str

    @property
    def name(self) -> str:
        """The name of its files without the ending."""
        return f"feats.{self.number:04d}"


def plan_shards(wavs: Mapping[str, str], settings: str) -> list[Shard]:
    """Divides utterances into shards of 100 in bytewise order.

    Args:
        wavs: path by utterance.
        settings: text of all settings that shape the features.
    """
    utts = sorted(wavs, key=lambda utt: utt.encode("utf-8"))
    shards = []
    for first in range(0, len(utts), SHARD_UTTERANCES):
        part = {utt: wavs[utt] for utt in utts[first : first + SHARD_UTTERANCES]}
        shards.append(Shard(len(shards) + 1, part, digest(settings, audio_digest(part))))
    return shards


def audio_digest(wavs: Mapping[str, str]) -> str:
    """Returns the digest of utterances, paths and sizes in bytes; a file that is missing has size -1."""
    parts = []
    for utt in sorted(wavs, key=lambda utt: utt.encode("utf-8")):
        try:
            size = os.stat(wavs[utt]).st_size
        except OSError:
            size = -1
        parts += [utt, wavs[utt], str(size)]
    return digest(*parts)


def is_done(folder: Path, shard: Shard) -> bool:
    """Tells whether the shard was made from the same audio with the same settings."""
    return _record(folder, shard).get("digest") == shard.digest and (folder / f"{shard.name}.ark").is_file()


def are_finished(folder: Path) -> bool:
    """Tells whether feats.scp is there and every ark that it names."""
    if not (folder / "feats.scp").is_file():
        return False
    arks = {entry.rpartition(":")[0] for entry in read_scp(folder / "feats.scp").values()}
    return all(Path(ark).is_file() for ark in arks)


def write_shard(
    folder: Path, shard: Shard, matrices: Iterable[tuple[str, np.ndarray]], notes: Mapping[str, int]
) -> None:
    """Writes ark, scp part and, last, the record of a shard, each by rename.

    Args:
        folder: where they go.
        shard: what they are of.
        matrices: utterance and features, in the order of the shard.
        notes: counts for the log, kept in the record.
    """
    (folder / f"{shard.name}.json").unlink(missing_ok=True)
    entries = write_ark(folder / f"{shard.name}.ark", iter(matrices))
    write_table(folder / f"{shard.name}.scp", entries)
    write_json(folder / f"{shard.name}.json", {"digest": shard.digest, "entries": entries, "notes": dict(notes)})


def shard_entries(folder: Path, shard: Shard) -> dict[str, str]:
    """Returns the scp entries of a finished shard, with paths that can be opened."""
    return {utt: f"{folder / entry}" for utt, entry in _record(folder, shard)["entries"].items()}


def join_shards(folder: Path, shards: Iterable[Shard]) -> dict[str, int]:
    """Writes feats.scp, the last file, from the records of all shards, and removes what belongs to none of them.

    Returns:
        The sums of the shards' notes.

    Raises:
        DataError: a shard is not done.
    """
    entries: dict[str, str] = {}
    notes: dict[str, int] = {}
    names = set()
    for shard in shards:
        if not is_done(folder, shard):
            raise DataError(f"{folder / shard.name}.json: is not there or of other audio; run stage 2 again")
        record = _record(folder, shard)
        entries |= record["entries"]
        names |= {f"{shard.name}.{ending}" for ending in ("ark", "scp", "json")}
        for note, count in record["notes"].items():
            notes[note] = notes.get(note, 0) + count
    for path in [*folder.glob("feats.[0-9]*.*"), *folder.glob(".feats.*.tmp")]:
        if path.name not in names:
            path.unlink(missing_ok=True)
    write_table(folder / "feats.scp", entries)
    return notes


def _record(folder: Path, shard: Shard) -> dict:
    with contextlib.suppress(DataError):
        record = read_json(folder / f"{shard.name}.json")
        if isinstance(record, dict) and {"digest", "entries", "notes"} <= record.keys():
            return record
    return {}
