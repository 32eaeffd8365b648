"""The folder of a packed model: its record model.json, and the check of its files; needs no torch.

model.json              the record: classes, members, features, and the SHA-256 of every other file that is read
README.md               the model card
config.yaml             the resolved configuration; config_2.yaml, ... where members differ
results_1.json          the scores of each packed experiment
members/s1_fold1.safetensors   the weights of one seed and fold
heads.onnx              the same networks for other runtimes; only with `ambiser pack --onnx`
"""

from dataclasses import dataclass, field
from pathlib import Path

from ambiser.errors import DataError
from ambiser.features.extraction.fingerprints import file_digest
from ambiser.inference.shipped import find_shipped, shipped_names
from ambiser.io.files import digest, read_json, write_json
from ambiser.io.records import from_json, to_json
from ambiser.scoring.results import ScaleAndBias
from ambiser.stages import TRAINING_STAGES

FORMAT = 1
RECORD, CARD, ONNX = "model.json", "README.md", "heads.onnx"


@dataclass(frozen=True, kw_only=True)
class MemberSets:
    """How a network makes prediction sets: the fields of `SetRule`, and (C,) thresholds from dev, None for none."""

    form: str
    coverage: float
    per_class: bool
    penalty: float
    free_ranks: int
    thresholds: list[float | None]


@dataclass(frozen=True)
class Member:
    """The network of one seed and fold.

    Attributes:
        file: its weights, relative to the folder.
        config: its configuration, relative to the folder.
        seed: of its experiment.
        fold: number of the fold that it did not train on.
        calibration: fitted on dev, applied to its probabilities; None without calibration.
        sets: prediction sets, calibrated on dev; None without them.
    """

    file: str
    config: str
    seed: int
    fold: int
    calibration: ScaleAndBias | None = None
    sets: MemberSets | None = None


@dataclass(frozen=True)
class Encoder:
    """A pre-trained encoder.

    Attributes:
        weights: their name; empty for an encoder without weights.
        sha256: of their file; empty likewise.
        probe: some features of a fixed signal (see `ambiser.inference.probe`), by which the same weights in another
            file or precision are recognized.
    """

    weights: str
    sha256: str
    probe: list[float] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class ModelRecord:
    """The contents of model.json.

    Attributes:
        name: of the model.
        classes: C names, in the order of every distribution.
        stage: the training stage whose networks predict.
        members: the networks; a prediction is the mean of theirs.
        speech: the speech encoder.
        text: the text encoder; None for a model that reads no text.
        results: files with the scores of each packed experiment.
        files: SHA-256 by file.
        license: identifier of the license of the weights, as model hubs use it; "other" where none was given.
        notes: remarks on licenses and limits.
        software: name and version of the program that packed it.
    """

    name: str
    classes: list[str]
    stage: str
    members: list[Member]
    speech: Encoder
    text: Encoder | None
    results: list[str]
    files: dict[str, str]
    license: str
    notes: list[str]
    software: str


def write_record(folder: Path, record: ModelRecord) -> None:
    """Writes model.json by rename."""
    write_json(folder / RECORD, {"format": FORMAT, **to_json(record)})


def find_model(name: str | Path) -> Path:
    """Returns the folder of a model: the folder itself, or that of a model that comes with the package.

    Raises:
        DataError: there is neither.
    """
    folder = Path(name)
    if (folder / RECORD).is_file():
        return folder
    shipped = find_shipped(str(name))
    if shipped is not None:
        return shipped
    why = "has no model.json" if folder.is_dir() else "does not exist"
    known = ", ".join(shipped_names()) or "none"
    raise DataError(
        f"{name}: is no model, it {why}; name a folder made by `ambiser pack`, or a shipped model ({known})"
    )


def read_record(folder: Path) -> ModelRecord:
    """Reads model.json, and checks that every file is there and unchanged.

    Raises:
        DataError: the folder is no model, is of a newer format, or lacks a file, or a file was changed.
    """
    path = folder / RECORD
    if not path.is_file():
        raise DataError(f"{folder}: is no model, it has no {RECORD}; name a folder made by `ambiser pack`")
    again = "pack or download the model again"
    try:
        content = read_json(path)
        found = content.pop("format", None) if isinstance(content, dict) else None
        if isinstance(found, int) and found > FORMAT:
            raise DataError(f"{path}: has format {found}, this program reads up to {FORMAT}; update ambiser")
        if found != FORMAT:
            raise DataError(f"{path}: is not the record of a model, its format is {found!r}; {again}")
        record = from_json(ModelRecord, content, str(path))
    except DataError as error:
        message = str(error)
        raise DataError(message.split("; remove")[0] + f"; {again}" if "; remove" in message else message) from error
    for word in (record.name, *record.classes):
        # They are columns and fields of the output, and words of pages and terminals.
        if not word.strip() or not word.isprintable():
            raise DataError(f"{path}: {word!r:.60} must be printable text on one line; {again}")
    if len(set(record.classes)) < max(len(record.classes), 2):
        raise DataError(f"{path}: must name at least two classes, each once; {again}")
    if record.stage not in TRAINING_STAGES:
        raise DataError(f"{path}: {record.stage!r:.60} is no training stage; {again}")
    _check_files(folder, record, again)
    return record


def model_id(folder: Path, record: ModelRecord) -> str:
    """Returns the name of a model with 8 digits of the SHA-256 of its record."""
    return f"{record.name}@{digest((folder / RECORD).read_bytes())[:8]}"


def _check_files(folder: Path, record: ModelRecord, again: str) -> None:
    needed = [word for member in record.members for word in (member.file, member.config)] + record.results
    if not record.members or not set(needed) <= record.files.keys():
        raise DataError(f"{folder / RECORD}: names no members, or files without a SHA-256; {again}")
    for name, expected in record.files.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise DataError(f"{folder / RECORD}: names a file outside the folder ({name}); {again}")
        if not path.is_file():
            raise DataError(f"{folder}: lacks {name}; {again}")
        if (actual := file_digest(path)) != expected:
            raise DataError(f"{path}: was changed: its SHA-256 is {actual[:12]}..., not {expected[:12]}...; {again}")
