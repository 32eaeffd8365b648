"""Damages small corpora, one damage each, and prints a table of messages: python tests/corpora/damages.py."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]

from corpora.make_crema import make_crema
from corpora.make_msp import make_msp

from ambiser.config.data_keys import Data
from ambiser.corpora.data_folder import prepare_data
from ambiser.corpora.mini.mini_corpus import make_mini
from ambiser.errors import UserError
from ambiser.io.layout import Layout

DIALOG = "Ses02F_impro01"
EVALUATION = f"Session2/dialog/EmoEvaluation/{DIALOG}.txt"


class Damage(NamedTuple):
    """A damage: its name, the corpus, what it does to the folder, the exit status, and words of the message."""

    name: str
    corpus: str
    apply: Callable[[Path], object]
    status: int
    message: str


def make_tables(folder: Path) -> None:
    """Writes a Kaldi data directory: six speakers with two utterances each, two raters."""
    (folder / "wavs").mkdir(parents=True)
    rng = np.random.default_rng(0)
    utts = [f"s{s}_{i}" for s in range(6) for i in range(2)]
    for utt in utts:
        soundfile.write(folder / f"wavs/{utt}.wav", 0.1 * rng.standard_normal(800), 16000)
    tables = {
        "wav.scp": "wavs/{u}.wav", "utt2spk": "{s}", "text": "words of {u}", "utt2session": "{s}", "utt2rec": "r{u}",
    }  # fmt: skip
    for name, entry in tables.items():
        (folder / name).write_text("".join(f"{utt} {entry.format(u=utt, s=utt[:2])}\n" for utt in utts))
    (folder / "spk2gender").write_text("".join(f"s{s} {'fm'[s % 2]}\n" for s in range(6)))
    rows = (f"{utt}\t{rater}\t{label}\n" for utt in utts for rater, label in (("r1", "neu"), ("r2", "sad")))
    (folder / "votes.tsv").write_text("utt\trater\tlabel\n" + "".join(rows))


MAKERS = {
    "kaldi": make_tables,
    "mini": lambda folder: make_mini(folder, 60),
    "msp_podcast": lambda folder: make_msp(folder, "2.0"),
    "crema_d": make_crema,
}
PROTOCOLS = {"kaldi": "speaker_folds", "crema_d": "speaker_folds", "msp_podcast": "as_released"}


def edit(name: str, change: Callable[[str], str]) -> Callable[[Path], object]:
    """Returns a damage that rewrites every line of a table but its header."""

    def apply(folder: Path) -> None:
        lines = (folder / name).read_text().splitlines(keepends=True)
        header = lines[: name.endswith((".tsv", ".csv"))]
        (folder / name).write_text("".join([*header, *map(change, lines[len(header) :])]))

    return apply


def move(name: str, to: str) -> Callable[[Path], object]:
    """Returns a damage that renames a file."""
    return lambda folder: os.rename(folder / name, folder / to)


def put(name: str, content: bytes) -> Callable[[Path], object]:
    """Returns a damage that overwrites a file."""
    return lambda folder: (folder / name).write_bytes(content)


def cut_end(name: str, files: int) -> Callable[[Path], object]:
    """Returns a damage that removes the lines of the last files of a CSV table."""

    def apply(folder: Path) -> None:
        header, *rows = (folder / name).read_text().splitlines(keepends=True)
        lost = sorted({row.split(",")[0] for row in rows})[-files:]
        (folder / name).write_text("".join([header, *(row for row in rows if row.split(",")[0] not in lost)]))

    return apply


def first_clip(folder: Path) -> Path:
    """Returns the first clip of CREMA-D."""
    return min((folder / "AudioWAV").glob("*.wav"))


A = "wavs/s0_0.wav"
DAMAGES = (
    Damage(
        "transcript lines without words", "kaldi", edit("text", lambda line: line.split()[0] + "\n"), 0, "12 transc"
    ),
    Damage(
        "text with keys of files", "kaldi", edit("text", lambda line: line.replace(" ", ".wav ", 1)), 2, "matches 0"
    ),
    Damage(
        "utt2session matches none",
        "kaldi",
        edit("utt2session", lambda line: "x" + line),
        2,
        "corpus/utt2session: matches 0 of 12 utt",
    ),
    Damage(
        "spk2gender matches none", "kaldi", edit("spk2gender", lambda line: "x" + line), 2, "matches 0 of 6 speakers"
    ),
    Damage("gender written as words", "kaldi", edit("spk2gender", lambda line: line.replace(" f", " Female")), 0, ""),
    Damage(
        "gender that is no word for one", "kaldi", edit("spk2gender", lambda line: line[:3] + "girl\n"), 2, "gender mu"
    ),
    Damage(
        "labels_detailed cut between lines", "msp_podcast", cut_end("Labels/labels_detailed.csv", 3), 2, "is cut off"
    ),
    Damage(
        "labels_detailed cut within a line",
        "msp_podcast",
        lambda f: os.truncate(f / "Labels/labels_detailed.csv", 2000),
        2,
        "the file is cut off or damaged",
    ),
    Damage("audio with .WAV", "kaldi", move(A, "wavs/s0_0.WAV"), 2, "it exists in another case (s0_0.WAV)"),
    Damage(
        "audio as .flac",
        "crema_d",
        lambda f: os.rename(first_clip(f), first_clip(f).with_suffix(".flac")),
        2,
        "it exists with another extension",
    ),
    Damage("audio as a copy (1)", "kaldi", move(A, "wavs/s0_0 (1).wav"), 2, "a copy of it exists (s0_0 (1).wav)"),
    Damage("audio one level up", "kaldi", move(A, "s0_0.wav"), 2, "it exists one level up"),
    Damage(
        "audio one level down",
        "kaldi",
        lambda f: ((f / "wavs/x").mkdir(), os.rename(f / A, f / "wavs/x/s0_0.wav")),
        2,
        "it exists one level down",
    ),
    Damage(
        "audio still packed",
        "kaldi",
        lambda f: (shutil.rmtree(f / "wavs"), (f / "wavs.zip").touch()),
        2,
        "its folder is still packed",
    ),
    Damage(
        "audio is a git-lfs placeholder",
        "kaldi",
        put(A, b"version https://git-lfs.github.com/spec/v1\n"),
        2,
        "is a git-lfs placeholder; get the file with: git lfs pull",
    ),
    Damage("audio is a web page", "kaldi", put(A, b"<!DOCTYPE html>"), 2, "is a web page, so the download failed"),
    Damage("audio is empty", "kaldi", put(A, b""), 2, "its audio is empty (0 bytes)"),
    Damage("audio is cut off", "kaldi", lambda f: os.truncate(f / A, 900), 2, "its audio is truncated"),
    Damage(
        "table in UTF-16",
        "kaldi",
        put("text", "s0_0 x\n".encode("utf-16")),
        2,
        "corpus/text:1: is UTF-16 text; save it as UTF-8; correct",
    ),
    Damage(
        "table with a byte order mark",
        "kaldi",
        lambda f: (f / "text").write_bytes(b"\xef\xbb\xbf" + (f / "text").read_bytes()),
        0,
        "byte order mark",
    ),
    Damage(
        "table with Windows line ends",
        "kaldi",
        lambda f: (f / "text").write_bytes((f / "text").read_bytes().replace(b"\n", b"\r\n")),
        0,
        "Windows line",
    ),
    Damage("table without its last line end", "kaldi", put("utt2spk", b"s0_0 s0"), 2, "the last line has no end"),
    Damage(
        "unsorted table",
        "kaldi",
        lambda f: (f / "utt2spk").write_text("".join(reversed((f / "utt2spk").read_text().splitlines(keepends=True)))),
        2,
        "is not in bytewise order",
    ),
    Damage(
        "one rater name for all votes",
        "kaldi",
        edit("votes.tsv", lambda line: line.replace("r2", "r1")),
        2,
        "all 24 votes are by one rater, and 12 utterances have several",
    ),
    Damage(
        "empty rater names", "kaldi", edit("votes.tsv", lambda line: line.replace("r2", "")), 2, "rater has no name"
    ),
    Damage(
        "unknown label", "kaldi", edit("votes.tsv", lambda line: line.replace("sad", "awe")), 2, "label must be one of"
    ),
    Damage("segment after the end", "kaldi", put("segments", b"s0_0 s0_0 0 9\n"), 2, "its segment ends after its rec"),
    Damage(
        "missing label file", "mini", lambda f: (f / EVALUATION).unlink(), 2, "the label file of its dialog is missing"
    ),
    Damage(
        "label file in UTF-16",
        "mini",
        lambda f: (f / EVALUATION).write_bytes((f / EVALUATION).read_text().encode("utf-16")),
        2,
        f"{EVALUATION}: contains no turns; the file is UTF-16 text; save it as UTF-8; restore",
    ),
    Damage("missing session", "mini", lambda f: shutil.rmtree(f / "Session3"), 2, "Session3: is missing"),
    Damage(
        "damaged consensus labels", "msp_podcast", put("Labels/labels_consensus.csv", b"a,b\n"), 2, "FileName and EmoC"
    ),
    Damage(
        "damaged table of votes", "crema_d", put("processedResults/tabulatedVotes.csv", b"a,b\n"), 2, "header lacks"
    ),
    Damage(
        "clips without votes",
        "crema_d",
        edit("processedResults/tabulatedVotes.csv", lambda line: "" if "1002_ITH" in line else line),
        2,
        "has audio but no votes",
    ),
)


def outcome(damage: Damage, pristine: Path, base: Path) -> tuple[int, str]:
    """Returns exit status and message of stage 1 on a damaged copy of a corpus."""
    folder = shutil.copytree(pristine, base / "corpus")
    damage.apply(folder)
    data = Data(corpus=damage.corpus, mini_utterances=60, **_protocol(damage.corpus))
    try:
        record = prepare_data(folder, data, Layout(base / "data", base, base))
    except UserError as error:
        return 2, str(error).replace(f"{base}/", "")
    return 0, "; ".join(f"{n} {what}" for what, n in record.warnings.items())


def _protocol(corpus: str) -> dict[str, str]:
    return {"protocol": PROTOCOLS[corpus]} if corpus in PROTOCOLS else {}


def main() -> None:
    """Prints the table."""
    print("| damage | corpus | exit | message |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as place:
        for corpus, make in MAKERS.items():
            make(Path(place) / corpus)
        for number, damage in enumerate(DAMAGES):
            status, message = outcome(damage, Path(place) / damage.corpus, Path(place) / f"{number}")
            lines = [line.strip() for line in message.split("\n")]
            print(f"| {damage.name} | {damage.corpus} | {status} | {' / '.join(lines)} |")


if __name__ == "__main__":
    main()
