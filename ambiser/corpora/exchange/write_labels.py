"""Writes the rows of a data folder as CSV, Parquet or a data set of Hugging Face."""

import csv
import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from ambiser.config.data_keys import LABELS
from ambiser.corpora.exchange.utterance_rows import DataFolder, UtteranceRow
from ambiser.errors import ConfigError, DataError
from ambiser.io.files import atomic_open, write_text

TEXTS = (
    "utt",
    "audio",
    "speaker",
    "gender",
    "session",
    "recording",
    "part",
    "text",
    "label",
    "hard",
    "kind",
    "left_out",
)
_NEEDS_PYARROW = "needs the package pyarrow; run pip install pyarrow, or choose --format csv"


def write_labels(data: DataFolder, out: Path, form: str, *, with_audio: bool = False) -> None:
    """Writes a data folder in another format; the folder `out` must not exist.

    csv, parquet: labels (a row per utterance, soft_CLASS per class, foldK) and votes (a row per label of a rater).
    datasets: one Parquet table in data/ with lists of votes, which `datasets.load_dataset(out)` reads, and a card.

    Args:
        data: the rows.
        out: the folder to write.
        form: csv, parquet or datasets.
        with_audio: put the files of the audio into the data set.

    Raises:
        ConfigError: `out` exists, or pyarrow is not installed.
        DataError: an audio file cannot be read, or `out` cannot be written.
    """
    if out.exists():
        raise ConfigError(f"{out}: exists; name a new folder, or remove it")
    temporary = out.with_name(f".{out.name}.tmp")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        FORMATS[form](data, temporary, with_audio)
        temporary.replace(out)
    except OSError as error:
        raise DataError(f"{error.filename or out}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_csv(data: DataFolder, out: Path, with_audio: bool) -> None:
    tables = {"labels.csv": map(_flat(data), data.rows), "votes.csv": _vote_rows(data.rows)}
    for name, rows in tables.items():
        rows = list(rows)
        with atomic_open(out / name) as stream:
            writer = csv.DictWriter(stream, list(rows[0]) if rows else ["utt"], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def _write_parquet(data: DataFolder, out: Path, with_audio: bool) -> None:
    arrow, parquet = _pyarrow()
    for name, rows in (("labels", map(_flat(data), data.rows)), ("votes", _vote_rows(data.rows))):
        with atomic_open(out / f"{name}.parquet", "wb") as stream:
            parquet.write_table(arrow.Table.from_pylist(list(rows)), stream)


def _write_dataset(data: DataFolder, out: Path, with_audio: bool) -> None:
    """Writes nested rows in groups, so that audio is not in memory as a whole."""
    arrow, parquet = _pyarrow()
    schema = _schema(arrow, data, with_audio)
    (out / "data").mkdir(parents=True)
    with parquet.ParquetWriter(out / "data" / "train-00000-of-00001.parquet", schema) as writer:
        for start in range(0, len(data.rows), 256):
            rows = [_nested(row, data, with_audio) for row in data.rows[start : start + 256]]
            writer.write_table(arrow.Table.from_pylist(rows, schema))
    write_text(out / "README.md", _card(data, with_audio))


FORMATS: dict[str, Callable[[DataFolder, Path, bool], None]] = {
    "csv": _write_csv,
    "parquet": _write_parquet,
    "datasets": _write_dataset,
}


def _flat(data: DataFolder) -> Callable[[UtteranceRow], dict[str, object]]:
    def flat(row: UtteranceRow) -> dict[str, object]:
        soft = {f"soft_{name}": None if row.soft is None else round(row.soft[name], 6) for name in data.classes}
        folds = {f"fold{fold}": row.folds.get(fold, "") for fold in data.folds}
        return {name: getattr(row, name) for name in TEXTS} | {"duration_s": row.duration_s} | soft | folds

    return flat


def _vote_rows(rows: Iterable[UtteranceRow]) -> Iterable[dict[str, str]]:
    return ({"utt": row.utt, **vote._asdict()} for row in rows for vote in row.votes)


def _nested(row: UtteranceRow, data: DataFolder, with_audio: bool) -> dict[str, object]:
    content = Path(row.audio).read_bytes() if with_audio else None
    return {name: getattr(row, name) for name in TEXTS} | {
        "audio": {"bytes": content, "path": Path(row.audio).name if with_audio else row.audio},
        "duration_s": row.duration_s,
        "votes": [vote._asdict() for vote in row.votes],
        "soft": row.soft,
        "folds": [{"fold": fold, "part": part} for fold, part in sorted(row.folds.items())],
    }


def _schema(arrow: object, data: DataFolder, with_audio: bool) -> object:
    """Returns the columns of the nested table."""
    text = arrow.string()
    audio = arrow.struct([("bytes", arrow.binary()), ("path", text)])
    vote = arrow.struct([(name, text) for name in ("rater", "source", "label", "slot")])
    fold = arrow.struct([("fold", arrow.int64()), ("part", text)])
    columns = [(name, audio if name == "audio" else text) for name in TEXTS]
    columns += [
        ("duration_s", arrow.float64()),
        ("votes", arrow.list_(vote)),
        ("soft", arrow.struct([(name, arrow.float64()) for name in data.classes])),
        ("folds", arrow.list_(fold)),
    ]
    return arrow.schema(columns)


def _card(data: DataFolder, with_audio: bool) -> str:
    sounds = "in the table" if with_audio else "paths on the machine that wrote it"
    return (
        "---\nconfigs:\n- config_name: default\n  data_files: data/*.parquet\n"
        "tags:\n- speech-emotion-recognition\n---\n\n"
        f"# {data.corpus}\n\nExported by ambiser: {len(data.rows)} utterances with the votes of each rater. Audio: "
        f"{sounds}; `cast_column('audio', datasets.Audio())` decodes it. Check the license of the corpus before "
        "sharing.\n\n"
        f"* `votes`: rater, source (outside or self), label ({' '.join(LABELS)}) and slot (primary or secondary).\n"
        f"* `soft`: shares of the votes over {', '.join(data.classes)}; null for an utterance that `left_out` names.\n"
        "* `hard`, `kind`: class with most votes; precise, ambiguous or neither.\n"
        "* `folds`: the part of the utterance in each fold of the recipe.\n\n"
        f"Columns: {json.dumps([*TEXTS, 'duration_s', 'votes', 'soft', 'folds'])}.\n"
    )


def _pyarrow() -> tuple[object, object]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ConfigError(f"--format parquet or datasets {_NEEDS_PYARROW}") from error
    return pyarrow, pyarrow.parquet
