"""Reads Parquet, as Hugging Face's datasets or `ambiser export` write it, as a Kaldi data directory."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from ambiser.corpora.corpus import Utterance, Vote, gender_code
from ambiser.corpora.exchange.kaldi_folder import key_of, write_kaldi_folder
from ambiser.corpora.findings import IMPORT_REMEDY, Findings
from ambiser.corpora.importing.label_words import LabelWords
from ambiser.corpora.near_misses import AUDIO_ENDINGS
from ambiser.errors import ConfigError, DataError, first_line
from ambiser.io.files import atomic_open, parse_json
from ambiser.io.packed import most_unpacked
from ambiser.labels.vote_table import SLOTS, SOURCES

_BATCH = 64  # rows in memory, which may hold sounds
_BATCH_BYTES = 2**28  # of a column, if every row of a batch is as large as the whole column
_FEW_VALUES = 2**20
_MOST_PER_BYTE = 16  # values per byte; a vote has five and takes at least two bytes
_SHOWN = 80  # characters of a faulty value


def import_dataset(source: Path, out: Path, *, labels: Mapping[str, str], allow_incomplete: bool = False) -> int:
    """Writes a data directory from Parquet, and returns the number of utterances.

    Columns: `utt` (else rows get numbers), `audio` (path, or bytes and path as in `datasets.Audio`), `speaker`, and
    `votes` (list of rater, label, optionally source and slot) or `label` (text, or a ClassLabel); optional are gender,
    session, recording, part and text.

    Args:
        source: a Parquet file, or a folder with such files in it or in its folder data; votes.parquet beside
            labels.parquet holds the votes of its rows.
        out: the data directory; sounds inside of the table are written to out/wav.
        labels: own words for labels and their codes.
        allow_incomplete: leave out rows without audio, votes or speaker.

    Raises:
        ConfigError: pyarrow is not installed.
        DataError: there is no Parquet file, or rows have faults; all are listed in out/faults.tsv.
    """
    findings, words, made = Findings(allow_incomplete, remedy=IMPORT_REMEDY), LabelWords(labels), {}
    for where, row in _rows(source):
        utt = key_of(row.get("utt") or f"utt{len(made) + len(findings.left_out):07}")
        if utt in made:
            findings.error("another row has this utterance", where, utt)
        elif (one := _read_row(utt, where, row, words, findings, out)) is not None:
            made[utt] = one
    findings.hints += words.suggest()
    findings.refuse(listing=out / "faults.tsv")
    write_kaldi_folder(out, list(made.values()), source)
    return len(made)


def _rows(source: Path) -> Iterator[tuple[str, dict[str, object]]]:
    """Yields place and content of each row."""
    try:
        import pyarrow.parquet as parquet
        from pyarrow import ArrowException
    except ImportError as error:
        raise ConfigError("reading Parquet needs the package pyarrow; run pip install pyarrow") from error
    files = [source] if source.is_file() else sorted({*source.glob("*.parquet"), *source.glob("data/*.parquet")})
    if not files:
        raise DataError(f"{source}: holds no Parquet file; save the data set with Dataset.to_parquet")
    votes = None
    if [file.name for file in files] == ["labels.parquet", "votes.parquet"]:
        votes = _votes_by_utterance(files.pop())
    for file in files:
        try:
            table = parquet.ParquetFile(file)
            names = _class_names(table.schema_arrow.metadata or {})
            number = 0
            for batch in table.iter_batches(_batch_rows(table.metadata)):
                for row in batch.to_pylist():
                    number += 1
                    if isinstance(row.get("label"), int) and 0 <= row["label"] < len(names):
                        row["label"] = names[row["label"]]
                    yield f"{file}:{number}", row if votes is None else row | {"votes": votes.get(row.get("utt"), [])}
        except (ArrowException, OSError, ValueError, OverflowError) as error:
            raise DataError(f"{file}: is no readable Parquet file: {first_line(error)}") from error


def _batch_rows(metadata: object) -> int:
    """Returns how many rows fit into memory: a dictionary stores a value once that all rows may repeat.

    Args:
        metadata: pyarrow's `FileMetaData`.

    Raises:
        ValueError: a column unpacks to far more than its size in the file, or repeats values without end.
    """
    largest, values, total = 1, 0, 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for column in map(group.column, range(group.num_columns)):
            unpacked, packed = column.total_uncompressed_size, column.total_compressed_size
            if unpacked > most_unpacked(packed):
                raise ValueError(f"column {column.path_in_schema} unpacks from {packed} to {unpacked} bytes")
            largest, values, total = max(largest, unpacked), values + column.num_values, total + packed
    if values > max(_FEW_VALUES, _MOST_PER_BYTE * total):  # equal rows take no space
        raise ValueError(f"{total} bytes hold {values} values")
    return max(1, min(_BATCH, _BATCH_BYTES // largest))


def _votes_by_utterance(file: Path) -> dict[str, list[dict[str, object]]]:
    votes: dict[str, list[dict[str, object]]] = {}
    for _, row in _rows(file):
        votes.setdefault(row.get("utt"), []).append(row)
    return votes


def _class_names(metadata: Mapping[bytes, bytes]) -> list[str]:
    """Returns the names of a ClassLabel column `label`, from the metadata that the library `datasets` writes."""
    try:
        features = parse_json(metadata.get(b"huggingface", b"{}").decode("utf-8"))["info"]["features"]
        return list(features["label"]["names"])
    except (ValueError, KeyError, TypeError):
        return []


def _read_row(
    utt: str, where: str, row: Mapping[str, object], words: LabelWords, findings: Findings, out: Path
) -> Utterance | None:
    votes = _votes(where, row, words, findings)
    wav = _audio(utt, row.get("audio"), out)
    for value, reason in ((votes, "has no votes"), (wav, "has no audio"), (row.get("speaker"), "has no speaker")):
        if not value:
            findings.leave_out(utt, reason, where)
            return None
    texts = {name: key_of(row.get(name) or "") for name in ("session", "recording", "part")}
    return Utterance(
        utt=utt,
        wav=wav,
        speaker=key_of(row["speaker"]),
        gender=gender_code(str(row.get("gender") or "")) or "u",
        label=key_of(row.get("label") or "") if "votes" in row else "",
        text=str(row.get("text") or ""),
        votes=tuple(votes),
        ratings=(),
        **texts,
    )


def _votes(where: str, row: Mapping[str, object], words: LabelWords, findings: Findings) -> list[Vote]:
    given = row.get("votes")
    if given is None:
        given = [{"rater": "anon1", "label": row["label"]}] if row.get("label") is not None else []
    if not isinstance(given, list) or not all(isinstance(one, Mapping) for one in given):
        findings.error("votes must be a list of records {rater, label}", where, str(given)[:_SHOWN])
        return []
    votes = []
    for number, one in enumerate(given, start=1):
        code = words.code(str(one.get("label")))
        source, slot = one.get("source") or SOURCES[0], one.get("slot") or SLOTS[0]
        if not code:
            findings.error("is not a known label; map it with --labels WORD=CODE", where, str(one.get("label")))
        elif source not in SOURCES or slot not in SLOTS:
            findings.error(
                f"source must be {' or '.join(SOURCES)}, slot {' or '.join(SLOTS)}", where, f"{source} {slot}"
            )
        elif code != "-":
            votes.append(Vote(key_of(one.get("rater") or f"anon{number}"), source, code, slot))
    return votes


def _audio(utt: str, audio: object, out: Path) -> Path | None:
    """Returns the file of a sound; bytes inside of the table are written to out/wav."""
    if isinstance(audio, str):
        return Path(audio).resolve() if os.path.isfile(audio) else None  # false for a name that is too long
    if not isinstance(audio, Mapping):
        return None
    if isinstance(audio.get("bytes"), bytes) and audio["bytes"]:
        ending = Path(str(audio.get("path"))).suffix.lower()
        name = f"{utt.replace('/', '_')}{ending if ending in AUDIO_ENDINGS else '.wav'}"
        file = out.resolve() / "wav" / name.replace("\0", "_")
        with atomic_open(file, "wb") as stream:
            stream.write(audio["bytes"])
        return file
    return _audio(utt, audio.get("path"), out)
