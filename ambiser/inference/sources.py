"""Lists the recordings that a command line names, and reads the table of their texts."""

import glob
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ambiser.errors import DataError
from ambiser.io.tables import read_table, read_tsv

SUFFIXES = (
    *(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64", ".rf64", ".sph"),
    *(".m4a", ".mp4", ".aac", ".webm", ".mka", ".mkv", ".mov", ".wma", ".amr", ".3gp"),
)
"""What a folder is searched for; a file that is named itself may have any name."""
STDIN = "-"


@dataclass(frozen=True)
class Source:
    """A recording and its name in the output: the path as it was given, or the key of a wav.scp."""

    name: str
    path: Path


def list_sources(
    words: Sequence[str], read_stdin: Callable[[], Iterable[Source]] = tuple
) -> tuple[list[Source], dict[str, str]]:
    """Expands files, folders, patterns, wav.scp tables and "-" (standard input), in the given order.

    Args:
        words: of the command line.
        read_stdin: returns the recordings of "-".

    Returns:
        The recordings, each once, and the faults by word.

    Raises:
        DataError: a wav.scp is no Kaldi table.
    """
    sources: dict[str, Source] = {}
    faults: dict[str, str] = {}
    for word in words:
        found = list(_expand(word, read_stdin))
        if not found:
            faults[word] = f"{word}: {_why_nothing(word)}"
        for source in found:
            if not _is_printable(source.name):
                name = ascii(source.name)
                faults[source.name] = f"{name}: a name must be UTF-8 without tab or line break; rename the file"
                continue
            if source.name in sources and sources[source.name] != source:
                faults[source.name] = f"{source.name}: names two files, {sources[source.name].path} and {source.path}"
            sources.setdefault(source.name, source)
    return list(sources.values()), faults


def read_texts(path: Path) -> dict[str, str]:
    """Reads texts by name: a TSV table with the columns `file` and `text`, or a Kaldi table `name words`.

    Raises:
        DataError: the table is damaged.
    """
    with open(path, "rb") as stream:
        is_tsv = b"\t" in stream.readline()
    if is_tsv:
        return {row["file"]: row["text"] for row in read_tsv(path, ["file", "text"])}
    return read_table(path, allow_empty_value=True)


def find_text(texts: Mapping[str, str], source: Source) -> str:
    """Returns the text of a recording, by its name, else by its file name, else by that without suffix.

    Raises:
        DataError: there is none.
    """
    for name in (source.name, source.path.name, source.path.stem):
        if name in texts:
            return texts[name]
    remedy = "name it '-' there, or use --words" if source.name == STDIN else "add a line for it, empty without words"
    raise DataError(f"{source.path}: has no text in the table of --text; {remedy}")


def _expand(word: str, read_stdin: Callable[[], Iterable[Source]]) -> Iterable[Source]:
    path = Path(word)
    if word == STDIN:
        return read_stdin()
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
        return (Source(str(file), file) for file in files)
    if path.suffix == ".scp" and path.is_file():
        return (Source(name, Path(file)) for name, file in read_table(path).items())
    if not path.exists() and glob.has_magic(word):
        return (Source(name, Path(name)) for name in sorted(glob.glob(word, recursive=True)) if Path(name).is_file())
    return (Source(word, path),)


def _is_printable(name: str) -> bool:
    """Tells whether a name fits into a line of the output: bytes that are not UTF-8 arrive as lone surrogates."""
    return not any(letter in "\t\r\n" or "\ud800" <= letter <= "\udfff" for letter in name)


def _why_nothing(word: str) -> str:
    if word == STDIN:
        return "standard input is empty; give a recording, or one path per line"
    return "holds no audio file" if Path(word).is_dir() else "matches no file"
