"""Finds the files of an MSP-Podcast release, and reads consensus labels, speakers, parts and transcripts."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ambiser.corpora.corpus import gender_code
from ambiser.corpora.findings import Findings
from ambiser.corpora.input_digests import Probe, probe_content
from ambiser.corpora.msp_grammar import HEADER
from ambiser.corpora.near_misses import find_root_near
from ambiser.corpora.text_files import parse_json, read_csv, read_text
from ambiser.errors import DataError
from ambiser.io.console import progress
from ambiser.io.files import read_file
from ambiser.io.threads import in_threads

PARTS = {name.casefold(): name for name in ("Train", "Development", "Test1", "Test2", "Test3")}
PARTS["validation"] = "Development"
LABEL_FOLDERS = ("Labels", "labels", "label", "Label")
CONSENSUS = ("labels_consensus.csv", "labels_concensus.csv", "labels_consensus.json", "labels_concensus.json")
DETAILED = ("labels_detailed.csv", "labels_detailed.json", "labels.txt")
ARCHIVES = {"Audios": "tarfile", "Labels": "zipfile", "Transcripts": "zipfile"}
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
_ENDINGS = {"tarfile": (".tar.gz", ".tgz", ".tar"), "zipfile": (".zip",)}
_UNKNOWN = ("", "unknown", "na", "nan", "none")


@dataclass(frozen=True)
class Released:
    """The released labels of a file; empty if the release has none."""

    label: str = ""
    speaker: str = ""
    gender: str = ""
    part: str = ""


def find_root(corpus_dir: Path) -> Path:
    """Returns the folder when it holds labels and audio.

    Raises:
        DataError: it does not, or holds archives that are still packed, or the labels of two releases; the message
            names a folder near it that is right, or how to unpack.
    """
    corpus_dir = Path(corpus_dir)
    if not corpus_dir.is_dir():
        raise DataError(f"{corpus_dir} is not a folder; --corpus_dir must name a release of MSP-Podcast, unpacked")
    for folder, module in ARCHIVES.items():
        packed = next((p for end in _ENDINGS[module] if (p := corpus_dir / f"{folder}{end}").is_file()), None)
        if packed and not _has_folder(corpus_dir, folder):
            command = f"cd {corpus_dir} && python -m {module} -e {packed.name} ."
            raise DataError(f"{packed} is still packed; unpack it with: {command}")
    if _is_root(corpus_dir):
        return corpus_dir
    candidate = find_root_near(corpus_dir, _is_root, levels_up=3)
    if candidate:
        raise DataError(f"{corpus_dir} is not MSP-Podcast itself, {candidate} is; use --corpus_dir {candidate}")
    raise DataError(
        f"{corpus_dir} is not MSP-Podcast: it holds no Audios and Labels with labels_consensus.csv or labels.txt; "
        "--corpus_dir must name a release, unpacked"
    )


def find_labels(root: Path) -> tuple[Path | None, Path]:
    """Returns the file of consensus labels, when there is one, and that of all raters.

    Raises:
        DataError: there is none of the latter, or there are two of the former by different names.
    """
    folder = _label_folder(root)
    found = [folder / name for name in CONSENSUS if (folder / name).is_file()]
    spellings = {path.stem for path in found}
    if len(spellings) > 1:
        raise DataError(
            f"{folder} holds {' and '.join(sorted(spellings))}: two releases are mixed; keep the files of one"
        )
    detailed = next((folder / name for name in DETAILED if (folder / name).is_file()), None)
    if detailed is None:
        raise DataError(f"{folder} holds none of {', '.join(DETAILED)}; the votes of the raters are needed")
    return (found[0] if found else None), detailed


def read_released(root: Path, consensus: Path | None, findings: Findings) -> dict[str, Released]:
    """Joins consensus labels, Partitions.txt and Speaker_ids.txt by file; where they differ, the labels count."""
    if consensus is None:
        consensus = _label_folder(root) / "labels.txt"
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
    for file in sorted(rows.keys() | parts.keys()):
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


def find_wavs(root: Path, findings: Findings) -> dict[str, Path]:
    """Returns the wavs by file name; of two names that differ only in case both stay, and are listed."""
    folder = root / "Audios"
    folder = folder / "Audios" if (folder / "Audios").is_dir() else folder
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries)
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror}") from error
    wavs, folded = {}, {}
    for name in names:
        if name.startswith("."):
            findings.warn("hidden files such as macOS's ._* (ignored)")
        elif name.lower().endswith(".wav"):
            wavs[name] = folder / name
            other = folded.setdefault(name.casefold(), name)
            if other != name:
                findings.warn("wavs whose names differ only in case", where=f"{folder}: {other} and {name}")
    return wavs


def read_transcripts(root: Path, files: Iterable[str], findings: Findings) -> dict[str, str]:
    """Returns the first line of Transcripts/NAME.txt (or of Transcripts/Transcripts) of every file that has one."""
    folder = root / "Transcripts"
    folder = folder / "Transcripts" if (folder / "Transcripts").is_dir() else folder
    if not folder.is_dir():
        return {}
    there = {name for name in os.listdir(folder) if name.endswith(".txt") and not name.startswith(".")}
    wanted = [file for file in files if f"{Path(file).stem}.txt" in there]
    paths = [folder / f"{Path(file).stem}.txt" for file in wanted]
    texts = {}
    results = progress(in_threads(_read_transcript, paths), "reading transcripts", total=len(wanted))
    for file, path, (text, probe) in zip(wanted, paths, results, strict=True):
        texts[file], findings.inputs[path] = text, probe
    return texts


def _read_transcript(path: Path) -> tuple[str, Probe]:
    """Returns the first line, and a probe of the content."""
    content = read_file(path)
    return " ".join(content.partition(b"\n")[0].decode("utf-8", errors="ignore").split()), probe_content(content)


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


def _has_folder(root: Path, name: str) -> bool:
    return any((root / spelling).is_dir() for spelling in (name, name.lower(), name.lower().removesuffix("s")))


def _label_folder(root: Path) -> Path:
    return next((root / name for name in LABEL_FOLDERS if (root / name).is_dir()), root / LABEL_FOLDERS[0])


def _is_root(folder: Path) -> bool:
    labels = _label_folder(folder)
    named = any((labels / name).is_file() for name in (*CONSENSUS, *DETAILED))
    return named and (folder / "Audios").is_dir()


def _one_line(header: list[str]) -> str:
    return " ".join(", ".join(header).split())  # a quoted name may hold line breaks
