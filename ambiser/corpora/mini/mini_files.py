"""Writes planned turns as the files of IEMOCAP_full_release, byte for byte in its layout and with its quirks."""

import re
from pathlib import Path

from ambiser.config.data_keys import MINI_CONFLICT
from ambiser.corpora.mini.mini_plan import TICKS_PER_S, PlannedTurn, code_of

NAMES = {
    "neu": "Neutral",
    "hap": "Happiness",
    "exc": "Excited",
    "sad": "Sadness",
    "ang": "Anger",
    "fru": "Frustration",
    "fea": "Fear",
    "sur": "Surprise",
    "dis": "Disgust",
    "oth": "Other",
}
HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]"
APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        \x00\x02\x00\x00\x00\x09" + bytes(64)
_CRLF_DIALOG = "Ses02F_impro01"
_STRAY_LINE_DIALOG = "Ses01F_impro01"
_XX_DIALOG = "Ses03F_impro01"
_README = """\
THIS CORPUS IS MADE UP. Nobody speaks, feels or rates in it.

The {n} utterances were synthesized by ambiser/corpora/mini/voices.py; sentences are drawn from templates and votes by
simulated raters (mini_*.py beside it). Only the layout of the files is that of the IEMOCAP release, so
that its parser can be tried without a licence. Results on it say nothing about people.
"""
_CONFLICT = "data.mini_conflict: "


def write_readme(root: Path, n_utterances: int, conflict: float) -> None:
    """Writes README.txt, which says that the corpus is made up, and the share of conflict unless it is the default."""
    text = _README.format(n=n_utterances) + ("" if conflict == MINI_CONFLICT else f"\n{_CONFLICT}{conflict!r}\n")
    (root / "README.txt").write_text(text, encoding="utf-8", newline="\n")


def read_conflict(root: Path) -> float:
    """Returns the share of conflict that README.txt names; the default if it names none."""
    path = root / "README.txt"
    found = re.search(f"^{_CONFLICT}([0-9.e-]+)$", path.read_text(encoding="utf-8"), re.M) if path.is_file() else None
    return float(found[1]) if found else MINI_CONFLICT


def write_dialog(root: Path, dialog: str, turns: list[PlannedTurn]) -> None:
    """Writes the text files of a dialog; `turns` are in the order of time."""
    folder = root / f"Session{dialog[4]}" / "dialog"
    blocks = sorted(turns, key=lambda turn: turn.turn)
    summary = "\n\n".join([HEADER, *map(_block, blocks)]) + "\n\n"
    _write(folder / "EmoEvaluation" / f"{dialog}.txt", summary)
    (folder / "EmoEvaluation" / f"._{dialog}.txt").write_bytes(APPLE_DOUBLE)
    _write_raters(folder / "EmoEvaluation", dialog, blocks)
    lines = [f"{turn.turn} [{_padded(turn.start)}-{_padded(turn.end)}]: {turn.text}" for turn in turns]
    if dialog == _STRAY_LINE_DIALOG:
        lines.insert(2, "M: Yeah.")
    if dialog == _XX_DIALOG:
        lines.insert(2, f"{dialog}_FXX0 [{_padded(turns[1].start)}-{_padded(turns[1].end)}]: [LAUGHTER], I know.")
    ending = "\r\n" if dialog == _CRLF_DIALOG else "\n"
    _write(folder / "transcriptions" / f"{dialog}.txt", "".join(line + ending for line in lines))


def write_wav(path: Path, pcm: bytes) -> None:
    """Writes 16 kHz mono 16-bit PCM behind a plain header of 44 bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sizes = [(36 + len(pcm), 4), (16, 4), (1, 2), (1, 2), (16000, 4), (32000, 4), (2, 2), (16, 2), (len(pcm), 4)]
    riff, fmt, *rest, data = (number.to_bytes(width, "little") for number, width in sizes)
    path.write_bytes(b"RIFF" + riff + b"WAVEfmt " + fmt + b"".join(rest) + b"data" + data + pcm)


def write_alignment(root: Path, turn: PlannedTurn) -> None:
    """Writes the word alignment of a turn in frames of 10 ms (.wdseg)."""
    rows, at = [], 0
    names = ["<s>", *[""] * (len(turn.units) - 2), "</s>"]
    for unit, name in zip(turn.units, names, strict=True):
        word = name or (turn.words[unit.word].upper() if unit.word >= 0 else "<sil>")
        end = at + unit.samples
        if rows and rows[-1][3:] == (word, unit.word):
            rows[-1] = (rows[-1][0], end, rows[-1][2] - unit.samples, word, unit.word)
        else:
            rows.append((at, end, -unit.samples, word, unit.word))
        at = end
    lines = [f"\t{'SFrm':>5} {'EFrm':>5} {'SegAScr':>10} Word\n"]
    frames = [(start // 160, max(end // 160 - 1, start // 160), score, word) for start, end, score, word, _ in rows]
    lines += [f"\t{start:5d} {end:5d} {score:10d} {word}\n" for start, end, score, word in frames]
    lines.append(f" Total score: {sum(row[2] for row in frames):11d}\n")
    dialog = turn.turn.rpartition("_")[0]
    folder = root / f"Session{turn.turn[4]}" / "sentences" / "ForcedAlignment" / dialog
    _write(folder / f"{turn.turn}.wdseg", "".join(lines))


def _block(turn: PlannedTurn) -> str:
    lines = [f"[{_seconds(turn.start)} - {_seconds(turn.end)}]\t{turn.turn}\t{code_of(turn)}\t[{_means(turn)}]"]
    for rater, labels, comment in turn.labels:
        lines.append(f"C-{rater}:\t{' '.join(NAMES[label] + ';' for label in labels)}\t({comment})")
    for rater, (valence, activation, dominance), comment in turn.attributes:
        values = f"val {_number(valence)}; act {_number(activation)}; dom  {_number(dominance)};"
        lines.append(f"A-{rater}:\t{values}\t({comment})")
    return "\n".join(lines)


def _means(turn: PlannedTurn) -> str:
    means = []
    for index in range(3):
        values = [row[index] for rater, row, _ in turn.attributes if rater[0] == "E" and row[index] is not None]
        means.append(sum(values) / len(values))
    return ", ".join(f"{mean:.4f}" for mean in means)


def _write_raters(folder: Path, dialog: str, turns: list[PlannedTurn]) -> None:
    """Writes one file per rater as the release has them; their neutral label is "Neutral state"."""
    labels: dict[str, list[str]] = {}
    attributes: dict[str, list[str]] = {}
    for turn in turns:
        for rater, given, comment in turn.labels:
            names = " ".join(":" + ("Neutral state" if label == "neu" else NAMES[label]) + ";" for label in given)
            labels.setdefault(rater, []).append(f"{turn.turn} {names} ({comment})\n")
        for rater, (valence, activation, dominance), comment in turn.attributes:
            values = f":act {_number(activation)}; :val {_number(valence)}; :dom {_number(dominance)};"
            attributes.setdefault(rater, []).append(f"{turn.turn} {values} ({comment})\n")
    for kind, suffix, by_rater in (("Categorical", "cat", labels), ("Attribute", "atr", attributes)):
        for rater, lines in by_rater.items():
            sub = kind if rater[0] == "E" else "Self-evaluation"
            _write(folder / sub / f"{dialog}_{rater.lower()}_{suffix}.txt", "".join(lines))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _seconds(ticks: int) -> str:
    return f"{ticks // TICKS_PER_S}.{ticks % TICKS_PER_S:04d}"


def _padded(ticks: int) -> str:
    return f"{ticks // TICKS_PER_S:03d}.{ticks % TICKS_PER_S:04d}"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8"))
