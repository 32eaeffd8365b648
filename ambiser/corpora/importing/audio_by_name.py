"""Finds the audio of each row of a table by name, in a folder and its subfolders."""

import os
import re
from pathlib import Path

from ambiser.corpora.findings import Findings
from ambiser.corpora.importing.converted import CONVERTED
from ambiser.corpora.importing.label_table import ImportedTable
from ambiser.corpora.near_misses import without_copy_mark
from ambiser.errors import DataError

READABLE = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".au")
_ENDINGS = (*READABLE, *CONVERTED)
_NO_LETTER = re.compile(r"[\W_]+")
_EXAMPLES = 3


def find_audio(folder: Path) -> dict[str, list[Path]]:
    """Returns the audio files below a folder by stem in small letters.

    Raises:
        DataError: the folder is not there or holds no audio.
    """
    if not Path(folder).is_dir():
        raise DataError(f"{folder} is not a folder; --audio_dir must name the folder of the audio")
    found: dict[str, list[Path]] = {}

    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename}: cannot be read: {error.strerror}") from error

    for place, _, names in os.walk(folder, onerror=refuse):
        base = Path(place).resolve()
        for name in sorted(names):
            if name.lower().endswith(_ENDINGS) and not name.startswith("."):
                found.setdefault(os.path.splitext(name)[0].casefold(), []).append(base / name)
    if not found:
        raise DataError(f"{folder} contains no audio; supported formats: {', '.join(_ENDINGS)}")
    return {stem: _prefer_readable(paths) for stem, paths in found.items()}


def _prefer_readable(paths: list[Path]) -> list[Path]:
    """Drops a video or m4a beside a file of the same name that needs no conversion."""
    if len(paths) == 1:
        return paths
    return [path for path in paths if path.suffix.lower() in READABLE] or paths


def match_all(
    table: ImportedTable, path: Path, audio: dict[str, list[Path]], findings: Findings
) -> dict[str, tuple[str, Path]]:
    """Returns row name and audio by utterance."""
    matched: dict[str, tuple[str, Path]] = {}
    near: dict[str, Path] = {}
    for name, line in table.lines.items():
        missing = _match(name, f"{path}:{line}", table, audio, matched, findings)
        if missing:
            near = near or _by_plain_name(audio)
            found = near.get(_plain_name(missing))
            reason = "has no audio, but a file of a similar name exists" if found else "has no audio"
            findings.leave_out(name, reason, f"{path}:{line}", found.name if found else "")
    return matched


def _by_plain_name(audio: dict[str, list[Path]]) -> dict[str, Path]:
    return {_plain_name(stem): paths[0] for stem, paths in audio.items()}


def _plain_name(stem: str) -> str:
    """Returns a name without the mark of a copy, and without all but letters and digits."""
    return _NO_LETTER.sub("", without_copy_mark(stem.casefold()))


def _match(
    name: str,
    where: str,
    table: ImportedTable,
    audio: dict[str, list[Path]],
    matched: dict[str, tuple[str, Path]],
    findings: Findings,
) -> str:
    """Finds the audio of a row by name, with or without ending, in any case, in any folder; returns a missing name."""
    plain = table.files[name].replace("\\", "/").rsplit("/", 1)[-1]
    stem = os.path.splitext(plain)[0] if plain.lower().endswith(_ENDINGS) else plain
    paths = audio.get(stem.casefold())
    if not paths:
        return stem
    span = "".join(f"_{round(1000 * time_s):07d}" for time_s in table.spans.get(name, ()))
    utt = "_".join(stem.split()) + span
    if len(paths) > 1:
        findings.leave_out(name, "has several audio files of this name", where, ", ".join(map(str, paths[:_EXAMPLES])))
    elif not table.votes[name]:
        if name not in table.faulty:
            findings.leave_out(name, "has no votes", where)
    elif utt in matched:
        findings.error("another row names the same audio in another way", where, f"{name}, {matched[utt][0]}")
    else:
        matched[utt] = (name, paths[0])
    return ""
