"""Reads MELD: dialogues of a television series with words, speaker and one consensus emotion per utterance."""

import re
from collections.abc import Iterator
from pathlib import Path

from ambiser.config.data_keys import Data
from ambiser.corpora.corpus import Corpus, Utterance, Vote
from ambiser.corpora.findings import Findings
from ambiser.corpora.named_clips import list_audio
from ambiser.corpora.text_files import read_csv, read_text
from ambiser.errors import DataError

HOME = "https://github.com/declare-lab/MELD"
PARTS = {"train": "Train", "dev": "Development", "test": "Test1"}
UTTERANCES = {"train": 9989, "dev": 1109, "test": 2610}
EMOTIONS = {
    "neutral": "neu",
    "joy": "hap",
    "sadness": "sad",
    "anger": "ang",
    "surprise": "sur",
    "fear": "fea",
    "disgust": "dis",
}
DEFECTS = {
    "train_dia125_utt3": "known defect: the released video is damaged",
    "dev_dia110_utt7": "known defect: the release has no video",
}
RATER = "consensus"
"""Rater of the only vote: the release has the majority of three annotators, not their votes."""
_COLUMNS = ("Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID", "Season", "Episode")
_CLIP = re.compile(r"(?:(train|dev|test)_)?(dia\d+_utt\d+)")
_TIME = re.compile(r"(\d+):(\d+):(\d+)[,.](\d+)")
_WINDOWS = {code: bytes([code]).decode("cp1252", "ignore") for code in range(0x80, 0xA0)}

Row = dict[str, str]


def read_meld(corpus_dir: Path, data: Data) -> Corpus:
    """Reads train_sent_emo.csv, dev_sent_emo.csv and test_sent_emo.csv, and one wav or flac per utterance.

    Dialogues become sessions, episodes become recordings. A name such as Woman is one speaker in all dialogues.
    Videos are not read; see egs/meld/README.md for extracting the audio.

    Raises:
        DataError: a table is missing, or there is no audio.
    """
    findings, root = Findings(data.allow_incomplete), Path(corpus_dir)
    tables = _find_tables(root)
    wavs = _find_wavs(root, findings)
    rows: dict[str, Row] = {}
    for part, path in tables.items():
        with findings.collect():
            of_part = _read_table(part, path, findings)
            if len(of_part) != UTTERANCES[part]:
                findings.miss(f"holds {len(of_part)} utterances instead of {UTTERANCES[part]}", path)
            rows |= of_part
    speakers: dict[str, str] = {}
    for row in rows.values():
        row["Speaker"] = speakers.setdefault(row["Speaker"].casefold(), row["Speaker"])
    utterances = []
    for utt in sorted(rows):
        if utt in wavs:
            utterances.append(_utterance(utt, wavs[utt], rows[utt]))
        elif utt in DEFECTS:
            findings.drop(utt, DEFECTS[utt])
        else:
            findings.leave_out(utt, "has no audio (wav or flac)", root / utt.partition("_")[0])
    for utt in sorted(wavs.keys() - rows.keys()):
        findings.drop(utt, "has audio but no label")
    return Corpus("meld", utterances, findings)


def _find_tables(root: Path) -> dict[str, Path]:
    """Returns the table of each part, from the folder or one below it.

    Raises:
        DataError: the folder or a table is missing.
    """
    if not root.is_dir():
        raise DataError(f"{root} is not a folder; --corpus_dir must name a copy of MELD; get it from {HOME}")
    names = {part: f"{part}_sent_emo.csv" for part in PARTS}
    found = {part: sorted(root.glob(f"**/{name}")) for part, name in names.items()}
    missing = [names[part] for part, paths in found.items() if not paths]
    if missing:
        raise DataError(f"{root} is not MELD: {', '.join(missing)} not found; get it from {HOME}")
    return {part: paths[0] for part, paths in found.items()}


def _find_wavs(root: Path, findings: Findings) -> dict[str, Path]:
    """Returns the audio by part and name; the part is in the name of the file or of the nearest folder.

    Raises:
        DataError: there is none; the message says whether there are videos.
    """
    wavs: dict[str, Path] = {}
    for path in list_audio(root, findings):
        match = _CLIP.fullmatch(path.stem)
        part = match and (match[1] or _part_of(path.parent.relative_to(root)))
        if not part:
            findings.warn("audio files that are not named like utterances, or in no part (ignored)", where=path)
        elif wavs.setdefault(f"{part}_{match[2]}", path) != path:
            findings.warn("copies of utterances in a second folder (ignored)", where=path)
    if not wavs:
        has_videos = next(root.glob("**/dia*_utt*.mp4"), None) is not None
        what = "holds videos and no audio; extract it as egs/meld/README.md shows" if has_videos else "holds no audio"
        raise DataError(f"{root} {what}: one wav or flac per utterance, such as train_splits/dia0_utt0.wav")
    return wavs


def _part_of(folder: Path) -> str:
    for name in reversed(folder.parts):
        parts = [part for part in PARTS if part in name.lower()]
        if parts:
            return parts[0]
    return ""


def _read_table(part: str, path: Path, findings: Findings) -> dict[str, Row]:
    """Returns the lines of a part by utterance.

    Raises:
        DataError: the header lacks a column.
    """
    rows: dict[str, Row] = {}
    for where, row in _lines(path, findings):
        utt = f"{part}_dia{row['Dialogue_ID'].strip()}_utt{row['Utterance_ID'].strip()}"
        if not _CLIP.fullmatch(utt):
            findings.error("Dialogue_ID and Utterance_ID must be whole numbers", where, utt)
        elif row["Emotion"].strip().lower() not in EMOTIONS:
            findings.error(f"Emotion must be one of {', '.join(EMOTIONS)}", where, row["Emotion"] or "nothing")
        elif not row["Speaker"]:
            findings.leave_out(utt, "has no speaker", where)
        elif utt in rows:
            findings.warn("lines that repeat an utterance (the first counts)", where=where)
        else:
            rows[utt] = row
    return rows


def _lines(path: Path, findings: Findings) -> Iterator[tuple[str, Row]]:
    """Yields file:line and fields; characters of Windows-1252 in the words are repaired and counted.

    Raises:
        DataError: the header lacks a column.
    """
    rows = read_csv(path, read_text(path, findings))
    header = [name.strip() for name in next(rows, (1, []))[1]]
    missing = [name for name in _COLUMNS if name not in header]
    if missing:
        raise DataError(f"{path}:1: the header lacks {', '.join(missing)}; get the file again from {HOME}")
    for line, fields in rows:
        if len(fields) != len(header):
            findings.error(f"the header has {len(header)} fields, the line has {len(fields)}", f"{path}:{line}")
            continue
        row = dict(zip(header, fields, strict=True))
        repaired = row["Utterance"].translate(_WINDOWS)
        if repaired != row["Utterance"]:
            findings.warn("utterances with characters of Windows-1252 (repaired)")
        yield (
            f"{path}:{line}",
            row | {"Utterance": " ".join(repaired.split()), "Speaker": "_".join(row["Speaker"].split())},
        )


def _utterance(utt: str, wav: Path, row: Row) -> Utterance:
    part, dialogue, _ = utt.split("_")
    code = EMOTIONS[row["Emotion"].strip().lower()]
    return Utterance(
        utt=utt,
        wav=wav,
        speaker=row["Speaker"],
        gender="u",
        session=f"{part}_{dialogue}",
        label=code,
        text=row["Utterance"],
        votes=(Vote(RATER, "outside", code),),
        ratings=(),
        recording=f"s{row['Season'].strip()}e{row['Episode'].strip()}",
        part=PARTS[part],
        expected_s=max(0.0, _seconds(row.get("EndTime", "")) - _seconds(row.get("StartTime", ""))),
    )


def _seconds(text: str) -> float:
    """Returns the seconds of a time such as 00:16:16,059 or 0:16:16,059; 0 if it is none."""
    match = _TIME.fullmatch(text.strip())
    return int(match[1]) * 3600 + int(match[2]) * 60 + float(f"{match[3]}.{match[4]}") if match else 0.0
