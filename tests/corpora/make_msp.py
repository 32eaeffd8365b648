"""Makes miniatures in the layouts of MSP-Podcast 1.6, 1.8, 1.11 and 2.0, with the quirks of the releases.

labels.txt is written first and everything else derived from it: consensus by plurality, means rounded to 6 digits.
"""

import csv
import io
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

VERSIONS = ("1.6", "1.8", "1.11", "2.0")
LETTERS = {
    "Angry": "A",
    "Sad": "S",
    "Happy": "H",
    "Surprise": "U",
    "Fear": "F",
    "Disgust": "D",
    "Contempt": "C",
    "Neutral": "N",
}
COMMON = ("Neutral", "Happy", "Angry", "Sad")
PITCH_HZ = dict(zip(COMMON, (200, 270, 330, 110), strict=True))
APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        "
TEST3 = tuple(f"MSP-PODCAST_test3_{i:04d}.wav" for i in (1, 2))
NO_WAV = "MSP-PODCAST_9001_9999.wav"
FREE_TEXT = 'Other-bored; or (tired) | meh: 50% & [sic], "so"?'


@dataclass
class File:
    """One labelled file: its raters' (worker, primary, secondary, act, val, dom)."""

    name: str
    speaker: str
    gender: str
    part: str
    raters: list

    def code(self) -> str:
        counts = Counter("O" if row[1].startswith("Other") else LETTERS[row[1]] for row in self.raters)
        ranked = counts.most_common(2)
        return "X" if len(ranked) == 2 and ranked[0][1] == ranked[1][1] else ranked[0][0]

    def means(self) -> list[float]:
        return [round(sum(row[i] for row in self.raters) / len(self.raters), 6) for i in (3, 4, 5)]


def plan(n_podcasts: int = 12, per_podcast: int = 8) -> list[File]:
    """Twelve podcasts of one speaker each: six in Train, two in every other part; the first one unknown."""
    rng = np.random.default_rng(7)
    parts = ["Train"] * (n_podcasts - 6) + ["Development"] * 2 + ["Test1"] * 2 + ["Test2"] * 2
    files = []
    for podcast, part in enumerate(parts):
        number = f"{9001 + podcast}"
        known = podcast > 0
        speaker, gender = (str(900 + podcast), ("Male", "Female")[podcast % 2]) if known else ("Unknown", "Unknown")
        for i in range(1, per_podcast + 1):
            felt = COMMON[(i + podcast) % 4]
            name = f"MSP-PODCAST_{number}_{i:04d}" + ("_0001" if i == 2 else "") + ".wav"
            agreement = 1.0 if (i + podcast) % 8 < 4 else 0.7
            files.append(File(name, speaker, gender, part, [_rater(rng, w, felt, agreement) for w in _workers(rng)]))
    files.append(File(NO_WAV, "Unknown", "Unknown", "Train", [_rater(rng, w, "Sad") for w in _workers(rng)]))
    quirks = [files[i].raters for i in (0, 1, 2, 3)]
    quirks[0][0] = (*quirks[0][0][:1], "Other-Concerned", "", *quirks[0][0][3:])
    quirks[0][1] = (*quirks[0][1][:1], "Other- Concerned", "Sad,Other-tired", *quirks[0][1][3:])
    quirks[1][0] = (*quirks[1][0][:1], FREE_TEXT, "Amused,Neutral", *quirks[1][0][3:])
    quirks[2][:] = [(row[0], word, *row[2:]) for row, word in zip(quirks[2][:4], ["Sad", "Fear"] * 2, strict=True)]
    quirks[3][:] = [
        (row[0], word, *row[2:]) for row, word in zip(quirks[3][:5], ["Other-x"] * 3 + ["Sad"] * 2, strict=True)
    ]
    return files


def make_msp(root: Path, version: str) -> list[File]:
    """Writes a release and returns its plan."""
    files = plan()
    old = version in ("1.6", "1.8")
    labels = root / ("label" if version == "1.6" else "Labels")
    for folder in (labels, root / "Audios", root / "Transcripts"):
        folder.mkdir(parents=True)
    write(labels / "labels.txt", "".join(map(_block, files)))
    write(labels / f"labels_{'concensus' if old else 'consensus'}.csv", _consensus(files, old))
    write(labels / "labels_detailed.csv", _detailed(files, version))
    if not old:
        write(labels / "labels_consensus.json", json.dumps(_consensus_json(files), indent=4))
        write(labels / "labels_detailed.json", json.dumps(_detailed_json(files), indent=4))
    dev = {"Development": "Validation"} if old else {}
    lines = [f"{dev.get(f.part, f.part)}; {f.name}\n" for f in files]
    test3 = [] if old else [f"Test3; {name}\n" for name in TEST3]
    write(root / ("Partition.txt" if version == "1.11" else "Partitions.txt"), "".join([*lines, "\n", *test3]))
    known = sorted({(f.speaker, f.gender) for f in files} - {("Unknown", "Unknown")})
    ids = [f"Speaker_{s}; {g}\n" for s, g in known] + ["\n"] + [f"{f.name}; {f.speaker}\n" for f in files]
    write(root / "Speaker_ids.txt", "".join(ids))
    _write_sound(root, files, [] if old else list(TEST3), nested=version == "2.0")
    return files


def write(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8"))


def _workers(rng) -> list[str]:
    return [f"WORKER{n:08d}" for n in sorted(rng.choice(60, rng.integers(5, 8), replace=False).tolist())]


def _rater(rng, worker: str, felt: str, agreement: float = 0.7) -> tuple:
    primary = felt if rng.random() < agreement else str(rng.choice(list(LETTERS)))
    secondary = ",".join([primary, *(["Amused", "Confused"] if rng.random() < 0.3 else [])])
    return (worker, primary, secondary, *map(int, rng.integers(1, 8, 3)))


def _line(row: tuple) -> str:
    worker, primary, secondary, act, val, dom = row
    return f"{worker}; {primary}; {secondary}; A:{act:.6f}; V:{val:.6f}; D:{dom:.6f};"


def _block(file: File) -> str:
    act, val, dom = file.means()
    lines = [f"{file.name}; {file.code()}; A:{act:.6f}; V:{val:.6f}; D:{dom:.6f};", *map(_line, file.raters)]
    return "\n".join(lines) + "\n\n"


def _table(rows: list) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue()


def _consensus(files: list[File], old: bool) -> str:
    rows = [["FileName", "EmoClass", "EmoAct", "EmoVal", "EmoDom", "SpkrID", "Gender", "Split_Set"]]
    for f in files:
        part = "Validation" if old and f.part == "Development" else f.part
        rows.append([f.name, f.code(), *f.means(), f.speaker, f.gender, part])
    return _table(rows)


def _detailed(files: list[File], version: str) -> str:
    if version in ("1.8", "1.11"):
        return _table([["FileName", "EmoDetail"], *([f.name, _line(row)] for f in files for row in f.raters)])
    rater = "Workers" if version == "1.6" else "WorkerID"
    header = ["FileName", rater, "EmoClass_Major", "EmoClass_Second", "EmoAct", "EmoVal", "EmoDom"]
    if version == "2.0":
        header.append("Extra_Column")
    rows = [[f.name, *row, *(["x"] if version == "2.0" else [])] for f in files for row in f.raters]
    return _table([header, *rows])


def _consensus_json(files: list[File]) -> dict:
    tree = {}
    for f in files:
        act, val, dom = f.means()
        means = {"EmoAct": act, "EmoDom": dom, "EmoVal": val}
        tree[f.name] = {"EmoClass": f.code(), **means, "SpkrID": f.speaker, "Gender": f.gender, "Split_Set": f.part}
    return tree


def _detailed_json(files: list[File]) -> dict:
    names = ("EmoClass_Major", "EmoClass_Second", "EmoAct", "EmoVal", "EmoDom")
    return {f.name: {row[0]: dict(zip(names, row[1:], strict=True)) for row in f.raters} for f in files}


def _write_sound(root: Path, files: list[File], test3: list[str], *, nested: bool) -> None:
    rng = np.random.default_rng(8)
    texts = root / "Transcripts" / "Transcripts" if nested else root / "Transcripts"
    texts.mkdir(exist_ok=True)
    for i, name in enumerate([f.name for f in files if f.name != NO_WAV] + test3):
        felt = max(COMMON, key=lambda word: sum(row[1] == word for row in files[i].raters) if i < len(files) else 0)
        tone = np.sin(np.arange(int(rng.integers(6000, 12000))) * PITCH_HZ[felt] * 2 * np.pi / 16000)
        sound = 0.2 * tone + 0.05 * rng.standard_normal(len(tone))
        soundfile.write(root / "Audios" / name, sound, 16000, subtype="PCM_16")
        if name not in test3 and i != 5:
            write(texts / f"{Path(name).stem}.txt", f"... I felt {felt.lower()} [inaudible 00:00:01] guess-\n")
    (root / "Audios" / f"._{files[0].name}").write_bytes(APPLE_DOUBLE)
