"""Records sizes and checksums of all files of stage 1 (data/inputs.tsv), and finds changes since then."""

import os
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from ambiser.errors import DataError, name_some
from ambiser.io.layout import Layout
from ambiser.io.tables import read_tsv, write_tsv
from ambiser.io.threads import in_threads
from ambiser.stages import STAGES

COLUMNS = ["kind", "path", "size", "checksum"]
_PROBE_BYTES = 4096
_HEAD_BYTES = 44
_SLACK_S = 600  # clocks of file servers differ
_EXAMPLES = 3


class Probe(NamedTuple):
    """Size in bytes and CRC-32: of the whole content of a table, of header and middle of audio."""

    size: int
    checksum: int


def probe_content(content: bytes) -> Probe:
    """Returns the probe of a table."""
    return Probe(len(content), zlib.crc32(content))


def probe_audio(descriptor: int) -> tuple[bytes, Probe]:
    """Returns the first bytes of an open audio file, and its probe; reading all of it would take hours."""
    size = os.fstat(descriptor).st_size
    head = os.pread(descriptor, _HEAD_BYTES, 0)
    middle = os.pread(descriptor, _PROBE_BYTES, max(size // 2 - _PROBE_BYTES // 2, 0))
    return head, Probe(size, zlib.crc32(middle, zlib.crc32(head)))


def write_inputs(layout: Layout, root: Path, tables: Mapping[Path, Probe], audio: Mapping[Path, Probe]) -> None:
    """Writes inputs.tsv.

    Args:
        layout: where the outputs of stage 1 are; they are probed too.
        root: the folder of the corpus; paths below it are written relative to it.
        tables: the label files and tables that were read.
        audio: the audio files of the kept utterances.
    """
    outputs = {path: probe_content(path.read_bytes()) for path in _outputs(layout)}
    folders = {folder: _probe_folder(folder, endings) for folder, endings in _folders([*tables, *audio]).items()}
    kinds = (("table", root, tables), ("audio", root, audio), ("folder", root, folders))
    rows = [(kind, _shorten(path, base), *probe) for kind, base, probes in kinds for path, probe in probes.items()]
    rows += [("output", _shorten(path, layout.data_dir), *probe) for path, probe in outputs.items()]
    write_tsv(_path(layout), COLUMNS, sorted(rows))


def refuse_changes(layout: Layout, root: Path) -> None:
    """Refuses a data folder whose inputs, or whose own tables, have changed since stage 1.

    Raises:
        DataError: the message names files and the stages that are stale.
    """
    path = _path(layout)
    if not path.is_file():
        raise DataError(
            f"{path} is missing: another version prepared {layout.data_dir}; remove it and run stage 1 again"
        )
    recorded_s = path.stat().st_mtime - _SLACK_S
    rows = read_tsv(path, COLUMNS)
    endings = _folders([root / row["path"] for row in rows if row["kind"] in ("table", "audio")])
    checks = ((row, layout.data_dir if row["kind"] == "output" else root, endings, recorded_s) for row in rows)
    changed = [change for change in in_threads(_find_change, checks) if change]
    if changed:
        inputs = "1 input has" if len(changed) == 1 else f"{len(changed)} inputs have"
        raise DataError(
            f"{inputs} changed since stage 1: {name_some(changed, _EXAMPLES)}; stages 1 to "
            f"{STAGES[-1].number} are stale: restore them, use another --data_dir and --exp_dir, or remove "
            f"{layout.data_dir} and the experiments in {layout.exp_dir} and run again"
        )


def _find_change(check: tuple[dict[str, str], Path, dict[Path, frozenset[str]], float]) -> str:
    """Returns how an input has changed; empty if it has not."""
    row, root, endings, recorded_s = check
    path = root / row["path"]
    try:
        if row["kind"] == "folder":
            is_same = _probe_folder(path, endings[path]).checksum == int(row["checksum"])
            return "" if is_same else f"{row['path']} (files were added, removed or renamed)"
        status = path.stat()
        # ctime too: cp -p and rsync restore mtime
        if status.st_size == int(row["size"]) and max(status.st_mtime, status.st_ctime) < recorded_s:
            return ""
        probe = probe_file(path) if row["kind"] == "audio" else probe_content(path.read_bytes())
    except OSError as error:
        return f"{row['path']} ({error.strerror})"
    if tuple(map(str, probe)) == (row["size"], row["checksum"]):
        return ""
    return str(path) if row["kind"] == "output" else row["path"]


def probe_file(path: Path) -> Probe:
    """Returns the probe of an audio file."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return probe_audio(descriptor)[1]
    finally:
        os.close(descriptor)


def _folders(paths: Iterable[Path]) -> dict[Path, frozenset[str]]:
    """Returns the folders of files, with the file name endings that count there."""
    endings: dict[str, set[str]] = {}
    for path in paths:
        folder, _, name = str(path).rpartition("/")  # pathlib would take ten times as long
        endings.setdefault(folder, set()).add(_ending(name))
    return {Path(folder): frozenset(found) for folder, found in endings.items()}


def _probe_folder(folder: Path, endings: frozenset[str]) -> Probe:
    """Returns number and checksum of the names with these endings; other files and folders do not matter."""
    with os.scandir(folder) as entries:
        names = sorted(e.name for e in entries if _ending(e.name) in endings and e.is_file())
    names = [name for name in names if not name.startswith(".")]
    return Probe(len(names), zlib.crc32("\n".join(names).encode("utf-8", "surrogateescape")))


def _ending(name: str) -> str:
    """Returns what os.path.splitext does, in a third of the time."""
    stem, dot, ending = name.rpartition(".")
    return dot + ending if stem.strip(".") else ""


def _outputs(layout: Layout) -> list[Path]:
    folders = (layout.data_dir / "all", *layout.data_dir.glob("fold*"))
    return [path for folder in folders for path in folder.iterdir() if path.is_file()]


def _path(layout: Layout) -> Path:
    return layout.data_dir / "inputs.tsv"


def _shorten(path: Path, root: Path) -> str:
    return str(path).removeprefix(f"{root}/")  # pathlib would take ten times as long
