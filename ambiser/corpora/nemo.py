"""Reads nEMO: nine Polish actors, 90 sentences, six emotions; data.tsv holds label, words and speaker of each clip."""

import re
from collections.abc import Iterator
from pathlib import Path

from ambiser.config.data_keys import Data
from ambiser.corpora.corpus import Corpus, gender_code
from ambiser.corpora.findings import Findings
from ambiser.corpora.named_clips import acted_utterance, find_clips
from ambiser.corpora.text_files import read_text
from ambiser.errors import DataError

HOME = "https://github.com/amu-cai/nEMO"
EMOTIONS = {
    "neutral": "neu",
    "happiness": "hap",
    "sadness": "sad",
    "anger": "ang",
    "fear": "fea",
    "surprised": "sur",
}
CLIP = re.compile(rf"([A-Z]+\d+)_({'|'.join(EMOTIONS)})_(\d+)")
CLIPS = 4481
_TABLE = "data.tsv"
_COLUMNS = ("file_id", "emotion", "raw_text", "speaker_id", "gender")


def read_nemo(corpus_dir: Path, data: Data) -> Corpus:
    """Reads a clone of the repository; every clip has one vote: the acted emotion.

    Raises:
        DataError: the folder holds no clip, or no data.tsv with the columns.
    """
    findings, root = Findings(data.allow_incomplete), Path(corpus_dir)
    clips = find_clips(root, CLIP, findings, corpus="nEMO", home=HOME)
    table = root / _TABLE
    if not table.is_file():
        raise DataError(f"{root} is not nEMO: {_TABLE} not found; get it with: git clone {HOME}")
    rows = _read_table(table, findings)
    utterances = []
    for clip in sorted(rows):
        if clip not in clips:
            findings.leave_out(clip, "has no audio", root / "samples" / f"{clip}.wav")
            continue
        code, speaker, gender, text = rows[clip]
        utterances.append(acted_utterance(clip, clips[clip], code, speaker=speaker, gender=gender, text=text))
    for clip in sorted(clips.keys() - rows.keys()):
        findings.leave_out(clip, f"has no line in {_TABLE}", clips[clip])
    if len(rows) != CLIPS:
        findings.miss(f"holds {len(rows)} lines instead of {CLIPS}", table)
    return Corpus("nemo", utterances, findings)


def _read_table(path: Path, findings: Findings) -> dict[str, tuple[str, str, str, str]]:
    """Returns label code, speaker, gender and words by clip; a line that contradicts its file name is a fault."""
    rows = {}
    for where, row in _lines(path, findings):
        clip = Path(row["file_id"]).stem
        name, gender = CLIP.fullmatch(clip), gender_code(row["gender"])
        if name is None:
            findings.error("file_id must be SPEAKER_EMOTION_NUMBER.wav", where, row["file_id"])
        elif (row["speaker_id"], row["emotion"]) != name.groups()[:2]:
            findings.error(f"speaker and emotion contradict {clip}", where, f"{row['speaker_id']} {row['emotion']}")
        elif clip in rows:
            findings.error("the clip appears twice; remove one line", where, clip)
        elif not gender:
            findings.error("gender must be female or male", where, row["gender"])
        else:
            rows[clip] = (EMOTIONS[row["emotion"]], row["speaker_id"], gender, " ".join(row["raw_text"].split()))
    return rows


def _lines(path: Path, findings: Findings) -> Iterator[tuple[str, dict[str, str]]]:
    """Yields file:line and the stripped fields by column; quotes are part of the words.

    Raises:
        DataError: the header lacks a column.
    """
    header: list[str] = []
    for number, line in enumerate(read_text(path, findings).split("\n"), start=1):
        fields = [field.strip() for field in line.split("\t")]  # speaker_id starts with eight blanks in the release
        if not header:
            header = fields
            missing = [name for name in _COLUMNS if name not in header]
            if missing:
                raise DataError(f"{path}:1: the header lacks {', '.join(missing)}; get the file again from {HOME}")
        elif len(fields) == len(header):
            yield f"{path}:{number}", dict(zip(header, fields, strict=True))
        elif line.strip():
            findings.error(f"the header has {len(header)} fields, the line has {len(fields)}", f"{path}:{number}")
