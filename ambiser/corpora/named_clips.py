"""Shares what parsers of acted corpora need: clips whose file names hold the labels, one vote each."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from ambiser.corpora.corpus import Utterance, Vote
from ambiser.corpora.findings import Findings
from ambiser.corpora.near_misses import ARCHIVES
from ambiser.errors import DataError, name_some

RATER = "acted"
"""Rater of the only vote of an acted clip: the emotion that the actor was asked for."""
_ENDINGS = (".wav", ".flac")
_SHOWN = 3


def find_clips(
    root: Path, name: re.Pattern[str], findings: Findings, *, corpus: str, home: str, skip: tuple[str, ...] = ()
) -> dict[str, Path]:
    """Finds the audio files whose stem matches `name`, in the folder and in all folders below.

    Args:
        root: the folder of the corpus.
        name: the form of a clip's name without extension.
        findings: gets audio with other names, copies in a second folder, and files that differ under one name.
        corpus: its name, for messages.
        home: where to get it.
        skip: names of folders to leave out.

    Returns:
        The path by stem, sorted; of copies the first by path.

    Raises:
        DataError: the folder does not exist, or holds no clip; the message names archives to unpack.
    """
    if not root.is_dir():
        raise DataError(f"{root} is not a folder; --corpus_dir must name a copy of {corpus}; get it from {home}")
    clips: dict[str, Path] = {}
    for path in list_audio(root, findings, skip):
        if not name.fullmatch(path.stem):
            findings.warn("audio files that are not named like clips (ignored)", where=path)
        elif path.stem not in clips:
            clips[path.stem] = path
        elif path.stat().st_size == clips[path.stem].stat().st_size:
            findings.warn("copies of clips in a second folder (ignored)", where=path)
        else:
            findings.error("differs from another file of this name; remove one", path, str(clips[path.stem]))
    if not clips:
        packed = [entry.name for entry in sorted(root.iterdir()) if entry.name.lower().endswith(ARCHIVES)]
        hint = f"; {packed[0]} is still packed, unpack it" if packed else ""
        raise DataError(f"{root} is not {corpus}: it holds no audio named like its clips{hint}; get it from {home}")
    return dict(sorted(clips.items()))


def list_audio(root: Path, findings: Findings, skip: tuple[str, ...] = ()) -> list[Path]:
    """Returns all wav and flac files in a folder and below, sorted, but hidden ones and folders named in `skip`.

    Links to folders are followed, each folder once. A folder without permission is a fault.
    """

    def report(error: OSError) -> None:
        findings.error(f"cannot be read: {error.strerror}", error.filename)

    found, seen = [], set()
    for folder, folders, files in os.walk(root, onerror=report, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in ("__MACOSX", *skip))
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        for name in files:
            if name.startswith("."):
                findings.warn("hidden files such as macOS's ._* (ignored)")
            elif name.lower().endswith(_ENDINGS):
                found.append(Path(folder) / name)
    return sorted(found)


def acted_utterance(clip: str, wav: Path, code: str, *, speaker: str, gender: str, text: str) -> Utterance:
    """Returns the utterance of a clip whose only vote is the acted emotion."""
    return Utterance(
        utt=clip,
        wav=wav,
        speaker=speaker,
        gender=gender,
        session=speaker,
        label=code,
        text=text,
        votes=(Vote(RATER, "outside", code),),
        ratings=(),
        acted=code,
    )


def compare_counts(root: Path, found: Mapping[str, int], released: Mapping[str, int], findings: Findings) -> None:
    """Reports in one line if there are more or fewer clips than in the release, with the speakers concerned.

    Args:
        root: the folder of the corpus.
        found: the number of clips by speaker.
        released: the same in the complete release.
        findings: gets a fault, or a warning if incomplete corpora are allowed.
    """
    if sum(found.values()) == sum(released.values()):
        return
    numbers = {key: (found.get(key, 0), number) for key, number in released.items()}
    different = [f"{key} {here} of {number}" for key, (here, number) in numbers.items() if here != number]
    total = f"{sum(found.values())} clips instead of {sum(released.values())}"
    findings.miss(f"holds {total} ({name_some(different, _SHOWN)})", root)
