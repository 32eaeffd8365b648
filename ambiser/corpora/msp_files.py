"""Finds the files of an MSP-Podcast release, and reads its transcripts."""

import os
from collections.abc import Iterable
from pathlib import Path

from ambiser.corpora.findings import Findings
from ambiser.corpora.input_digests import Probe, probe_content
from ambiser.corpora.near_misses import find_root_near
from ambiser.errors import DataError
from ambiser.io.console import progress
from ambiser.io.files import read_file
from ambiser.io.threads import in_threads

LABEL_FOLDERS = ("Labels", "labels", "label", "Label")
CONSENSUS = ("labels_consensus.csv", "labels_concensus.csv", "labels_consensus.json", "labels_concensus.json")
DETAILED = ("labels_detailed.csv", "labels_detailed.json", "labels.txt")
ARCHIVES = {"Audios": "tarfile", "Labels": "zipfile", "Transcripts": "zipfile"}
_ENDINGS = {"tarfile": (".tar.gz", ".tgz", ".tar"), "zipfile": (".zip",)}


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
    folder = label_folder(root)
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


def label_folder(root: Path) -> Path:
    """Returns the folder of labels, under the name that it has in this release."""
    return next((root / name for name in LABEL_FOLDERS if (root / name).is_dir()), root / LABEL_FOLDERS[0])


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


def _has_folder(root: Path, name: str) -> bool:
    return any((root / spelling).is_dir() for spelling in (name, name.lower(), name.lower().removesuffix("s")))


def _is_root(folder: Path) -> bool:
    labels = label_folder(folder)
    named = any((labels / name).is_file() for name in (*CONSENSUS, *DETAILED))
    return named and (folder / "Audios").is_dir()
