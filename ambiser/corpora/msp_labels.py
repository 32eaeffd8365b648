"""Reads consensus labels, speakers, genders and parts of an MSP-Podcast release."""

import re
from dataclasses import dataclass
from pathlib import Path

from ambiser.corpora.corpus import gender_code
from ambiser.corpora.findings import Findings
from ambiser.corpora.msp_files import label_folder
from ambiser.corpora.msp_grammar import HEADER
from ambiser.corpora.text_files import parse_json, read_csv, read_text
from ambiser.errors import DataError

PARTS = {name.casefold(): name for name in ("Train", "Development", "Test1", "Test2", "Test3")}
PARTS["validation"] = "Development"
LETTERS = {
    "A": "ang",
    "S": "sad",
    "H": "hap",
    "U": "sur",
    "F": "fea",
    "D": "dis",
    "C": "con",
    "N": "neu",
    "O": "oth",
    "X": "xxx",
}
_UNKNOWN = ("", "unknown", "na", "nan", "none")


@dataclass(frozen=True, slots=True)
class Released:
    """The released labels of a file; empty if the release has none."""

    label: str = ""
    speaker: str = ""
    gender: str = ""
    part: str = ""


def read_released(root: Path, consensus: Path | None, findings: Findings) -> dict[str, Released]:
    """Joins consensus labels, Partitions.txt and Speaker_ids.txt by file; where they differ, the labels count."""
    if consensus is None:
        consensus = label_folder(root) / "labels.txt"
    rows: dict[str, dict[str, str]] = {}
    parts: dict[str, str] = {}
    speakers: dict[str, str] = {}
    genders: dict[str, str] = {}
    with findings.collect():
        rows = _consensus_rows(consensus, read_text(consensus, findings), findings) if consensus.is_file() else {}
    with findings.collect():
        parts = _read_partitions(root, findings)
    with findings.collect():
        speakers, genders = _read_speakers(root, findings)
    released = {}
    for file in sorted([*rows, *(file for file in parts if file not in rows)]):
        row = rows.get(file, {})
        label = row.get("emoclass", "").strip()
        if label and label not in LETTERS:
            findings.warn(
                "consensus codes outside the vocabulary (taken as none)", where=f"{consensus}: {file}: {label}"
            )
        part = PARTS.get(row.get("split_set", "").strip().casefold(), "")
        if part and file in parts and parts[file] != part:
            where = f"{file}: {part} in {consensus.name}, {parts[file]} in the list of partitions"
            findings.warn("files in two parts (the consensus labels count)", where=where)
        speaker = _known(row.get("spkrid", "")) or speakers.get(file, "")
        gender = _known(row.get("gender", "")) or genders.get(speaker, "")
        label = LETTERS.get(label, "xxx") if label else ""
        released[file] = Released(label, speaker, gender_code(gender), part or parts.get(file, ""))
    return released


def _consensus_rows(path: Path, text: str, findings: Findings) -> dict[str, dict[str, str]]:
    if path.suffix == ".txt":
        matches = (HEADER.fullmatch(line.strip()) for line in text.split("\n"))
        return {match[1]: {"emoclass": match[2]} for match in matches if match}
    if path.suffix == ".json":
        items = parse_json(path, text).items()
        for file, said in items:
            if not isinstance(said, dict):
                findings.error("an entry of a file must be an object", path, file)
        return {
            file: {key.casefold(): str(value) for key, value in said.items()}
            for file, said in items
            if isinstance(said, dict)
        }
    rows = read_csv(path, text)
    header = [name.strip().casefold() for name in next(rows, (1, []))[1]]
    if not {"filename", "emoclass"} <= set(header):
        raise DataError(
            f"{path}:1: the header must hold FileName and EmoClass; it holds {_one_line(header) or 'nothing'}"
        )
    found: dict[str, dict[str, str]] = {}
    for line, row in rows:
        if len(row) != len(header):
            findings.error(f"the header has {len(header)} fields, the line has {len(row)}", f"{path}:{line}")
            continue
        fields = dict(zip(header, row, strict=True))
        if fields["filename"] in found:
            findings.error("the file appears twice; remove one line", f"{path}:{line}", fields["filename"])
        else:
            found[fields["filename"]] = fields
    return found


def _read_partitions(root: Path, findings: Findings) -> dict[str, str]:
    path = next((p for name in ("Partitions.txt", "Partition.txt") if (p := root / name).is_file()), None)
    parts: dict[str, str] = {}
    for line, text in enumerate(read_text(path, findings).split("\n") if path else [], start=1):
        name, semicolon, file = (word.strip() for word in text.partition(";"))
        if not semicolon:
            continue
        if name.casefold() in PARTS:
            parts[file] = PARTS[name.casefold()]
        else:
            findings.warn("unknown parts (ignored)", where=f"{path}:{line}: {name}")
    return parts


def _read_speakers(root: Path, findings: Findings) -> tuple[dict[str, str], dict[str, str]]:
    """Reads Speaker_ids.txt: `Speaker_1; Male` and `FILE.wav; 1` or `FILE.wav; Speaker_1`."""
    path = root / "Speaker_ids.txt"
    speakers, genders = {}, {}
    for text in read_text(path, findings).split("\n") if path.is_file() else []:
        name, semicolon, value = (word.strip() for word in text.partition(";"))
        if semicolon and name.endswith(".wav"):
            speakers[name] = _known(value.removeprefix("Speaker_"))
        elif semicolon and re.fullmatch(r"Speaker_\S+", name):
            genders[name.removeprefix("Speaker_")] = _known(value)
    return speakers, genders


def _known(text: str) -> str:
    return "" if text.strip().casefold() in _UNKNOWN else text.strip().removeprefix("Speaker_")


def _one_line(header: list[str]) -> str:
    return " ".join(", ".join(header).split())  # a quoted name may hold line breaks
