"""Explains why a file is missing or unreadable: another case or extension, a copy, an archive, a placeholder."""

import contextlib
import os
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

AUDIO_ENDINGS = (".wav", ".flac", ".mp3", ".ogg", ".aiff", ".aif", ".au", ".m4a", ".mp4", ".sph")
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".7z", ".rar")
_MOST_SUBFOLDERS = 20
_COPY = re.compile(
    r"[ _-]*(?:\((?:\d+|new|old|copy)\)|(?<![^\W_])(?:copy|kopie|copie)(?: ?\(?\d+\)?)?)$", re.IGNORECASE
)
_SIGNS = (
    (b"version https://git-lfs", "a git-lfs placeholder; get the file with: git lfs pull"),
    (b"\xff\xfe", "UTF-16 text; save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text; save it as UTF-8"),
    (b"PK\x03\x04", "a zip archive; unpack it"),
    (b"\x1f\x8b", "a gzip archive; unpack it"),
    (b"<!DOCTYPE", "a web page, so the download failed"),
    (b"<html", "a web page, so the download failed"),
)


def find_near_miss(path: Path) -> tuple[str, str]:
    """Returns how a missing file is present under another name, and that name; both empty if it is not.

    Looked for in the same folder: the name in another case, with another audio extension, or as a copy "(1)"; the
    folder as a packed archive; and the file one level up or down.
    """
    path = Path(path)
    try:
        names = _names_by_stem(path.parent, path.parent.stat().st_mtime_ns)
    except OSError:
        names = {}
    stem = path.stem.casefold()
    for name in names.get(stem, ()):
        if name.casefold() == path.name.casefold():
            return "it exists in another case", name
        if Path(name).suffix.lower() in AUDIO_ENDINGS:
            return "it exists with another extension", name
    copy = next((name for name in names.get(f"copy of {stem}", ())), "")
    if copy:
        return "a copy of it exists", copy
    for ending in ARCHIVES:
        if not path.parent.exists() and path.parent.with_name(path.parent.name + ending).is_file():
            return "its folder is still packed", path.parent.name + ending
    above = path.parent.parent / path.name
    if above.is_file():
        return "it exists one level up", str(above)
    below = (
        folder / path.name for folder in (_subfolders(path.parent, path.parent.stat().st_mtime_ns) if names else ())
    )
    found = next((place for place in below if place.is_file()), None)
    return ("it exists one level down", str(found)) if found else ("", "")


def without_copy_mark(stem: str) -> str:
    """Returns a file name without the mark of a copy at its end, such as " (1)", "(new)", " - Copy" or "_copy2"."""
    return _COPY.sub("", stem)


def find_root_near(folder: Path, is_root: Callable[[Path], bool], levels_up: int) -> Path | None:
    """Returns the folder that is the root of a corpus, one level down or some levels up; None if there is none."""
    for candidate in (*sorted(p for p in folder.iterdir() if p.is_dir()), *list(folder.resolve().parents)[:levels_up]):
        with contextlib.suppress(OSError):  # a folder that cannot be read is no better root
            if is_root(candidate):
                return candidate
    return None


def explain_content(path: Path) -> str:
    """Returns what a file really is, from its first bytes; empty if they are no known sign."""
    try:
        if not path.is_file():  # opening a pipe would wait for its writer
            return ""
        with open(path, "rb") as stream:
            head = stream.read(64)
    except OSError:
        return ""
    return next((what for sign, what in _SIGNS if head.startswith(sign)), "")


@lru_cache(maxsize=256)
def _subfolders(folder: Path, changed_ns: int) -> tuple[Path, ...]:
    """Returns the first folders in a folder; `changed_ns` is part of the key of the cache."""
    with os.scandir(folder) as entries:
        return tuple(sorted(Path(entry.path) for entry in entries if entry.is_dir())[:_MOST_SUBFOLDERS])


@lru_cache(maxsize=256)
def _names_by_stem(folder: Path, changed_ns: int) -> dict[str, tuple[str, ...]]:
    """Returns the file names of a folder by stem in small letters; copies also as "copy of STEM".

    `changed_ns` (time of the last change) is part of the key of the cache.
    """
    found: dict[str, list[str]] = {}
    for name in sorted(entry.name for entry in folder.iterdir()):
        stem = Path(name).stem.casefold()
        found.setdefault(stem, []).append(name)
        original = without_copy_mark(stem)
        if original != stem:
            found.setdefault(f"copy of {original}", []).append(name)
    return {stem: tuple(group) for stem, group in found.items()}
