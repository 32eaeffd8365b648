"""Parses the text files of IEMOCAP: names, evaluation summaries and transcriptions, with all irregularities."""

import math
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ambiser.corpora.corpus import Rating, Vote, is_utf8
from ambiser.corpora.findings import Findings
from ambiser.corpora.near_misses import explain_content
from ambiser.io.files import read_file

TURN = re.compile(r"(Ses0[1-5])([FM])_(impro\d\d[ab]?|script\d\d_\d[ab]?)_([FM])(\d{3})")
CODES = {
    "Neutral": "neu",
    "Neutral state": "neu",
    "Happiness": "hap",
    "Excited": "exc",
    "Sadness": "sad",
    "Anger": "ang",
    "Frustration": "fru",
    "Fear": "fea",
    "Surprise": "sur",
    "Disgust": "dis",
    "Other": "oth",
}
NO_MAJORITY = "xxx"
# No pattern can split a run of characters in two ways: it would take minutes on a long run in a damaged line.
_NUMBER = r"(\d+(?:\.\d*)?)"
_SUMMARY = re.compile(
    rf"\[\s*{_NUMBER}\s*-\s*{_NUMBER}\s*\]\s+(Ses\S+)\s+([a-z]{{3}})\s+"
    rf"\[\s*{_NUMBER}\s*,\s*{_NUMBER}\s*,\s*{_NUMBER}\s*\]"
)
_RATER = re.compile(r"([CA])-([EFM]\d+):\s*(.*)", re.DOTALL)
_ATTRIBUTES = re.compile(r"val([^;]*);\s*act([^;]*);\s*dom([^;]*)(?:;\s*)?")
_TRANSCRIPT = re.compile(r"(Ses\S+_[FM]\d{3})\s+\[[\d.]+-[\d.]+\]:?(.*)")
_EXTRA_TURN = re.compile(r"Ses\S+_[FM]XX\d\b")


@dataclass(frozen=True)
class Turn:
    """One block of an evaluation file."""

    turn: str
    code: str
    where: str
    votes: tuple[Vote, ...]
    ratings: tuple[Rating, ...]
    duration_s: float = 0.0


def read_evaluation(path: Path, findings: Findings) -> dict[str, Turn]:
    """Reads EmoEvaluation/<dialog>.txt.

    A comment begins at the last tab of a line, because it may hold ';' and ':'. Blank and out-of-range attributes
    become nan. Oddities are counted in the findings. A block that is cut off, has no votes of outside raters or
    repeats a turn is a fault there.
    """
    lines = _read_lines(path, findings)
    turns: dict[str, Turn] = {}
    if what := explain_content(path):
        findings.miss(f"contains no turns; the file is {what}", path)
        return turns
    for first, block in _blocks(lines):
        if block[0].startswith("%"):
            continue
        open_ended = first + len(block) >= len(lines)  # no blank line closes the block
        turn = _read_block(block, where=f"{path}:{first}", at_end=open_ended, findings=findings)
        if turn is None:
            continue
        if turn.turn in turns:
            first_place = turns[turn.turn].where
            findings.error(
                "the turn appears twice; remove one block", turn.where, f"{turn.turn}, first in {first_place}"
            )
        else:
            turns[turn.turn] = turn
    if lines and not turns:
        findings.miss("contains no turns; the file is empty or cut off", path)
    return turns


def read_transcription(path: Path, findings: Findings) -> dict[str, str]:
    """Reads transcriptions/<dialog>.txt; lines that belong to no turn are counted and dropped."""
    texts: dict[str, str] = {}
    for line in _read_lines(path, findings):
        match = _TRANSCRIPT.fullmatch(line.strip())
        if match and TURN.fullmatch(match[1]):
            if match[1] in texts:
                findings.warn("transcript lines that repeat a turn (the first counts)")
            texts.setdefault(match[1], " ".join(match[2].split()))
        elif _EXTRA_TURN.match(line):
            findings.warn("transcript lines of XX turns, which have no audio (dropped)")
        elif line.strip():
            findings.warn("transcript lines without a turn, such as 'M: Yeah.' (dropped)")
    return texts


def consensus(votes: tuple[Vote, ...]) -> str:
    """Returns the code that most outside raters gave, or xxx for a tie; each label of a rater counts once."""
    ranked = Counter(vote.label for vote in votes if vote.source == "outside").most_common(2)
    if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return NO_MAJORITY
    return ranked[0][0]


def _read_lines(path: Path, findings: Findings) -> list[str]:
    try:
        content = read_file(path)
    except OSError as error:
        findings.error(f"cannot be read: {error.strerror}", path)
        return []
    findings.note_input(path, content)
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not is_utf8(line):
            findings.warn("lines with bytes that are not UTF-8 (replaced)", where=f"{path}:{number}")
    return [line.rstrip("\r") for line in content.decode("utf-8", errors="replace").split("\n")]


def _blocks(lines: list[str]) -> list[tuple[int, list[str]]]:
    """Returns the runs of lines that are not blank, each with the number of its first line."""
    blocks: list[tuple[int, list[str]]] = []
    previous_blank = True
    for number, line in enumerate(lines, start=1):
        blank = not line.strip()
        if not blank and (previous_blank or line.startswith("[")):
            blocks.append((number, []))
        if not blank:
            blocks[-1][1].append(line)
        previous_blank = blank
    return blocks


def _read_block(block: list[str], *, where: str, at_end: bool, findings: Findings) -> Turn | None:
    """Reads one block; None if it is left out."""
    match = _SUMMARY.fullmatch(block[0].strip())
    file, _, first = where.rpartition(":")
    if match is None or TURN.fullmatch(match[3]) is None:
        reason = "the file is cut off here" if at_end else "is not the summary line of a turn"
        findings.leave_out(f"{Path(file).stem}:{first}", reason, where, "" if at_end else block[0][:60])
        return None
    turn, code, header = match[3], match[4], [float(match[i]) for i in (5, 6, 7)]
    lines = _read_raters(block, turn=turn, where=where, at_end=at_end, findings=findings)
    if lines is None:
        return None
    votes, ratings = lines
    outside = any(vote.source == "outside" for vote in votes)
    agrees = _header_agrees(header, ratings)
    if at_end and not (outside and ratings and agrees):
        findings.leave_out(turn, "the file is cut off here", f"{file}:{int(first) + len(block) - 1}")
        return None
    if not outside:
        findings.leave_out(turn, "no votes of outside raters", where)
        return None
    if not agrees:
        findings.warn("turns whose [V, A, D] is not the mean of the outside ratings", where=where)
    if consensus(tuple(votes)) != code:
        findings.warn("turns whose released code is not the plurality of the outside votes", where=f"{where}: {code}")
    return Turn(turn, code, where, tuple(votes), tuple(ratings), duration_s=float(match[2]) - float(match[1]))


def _read_raters(
    block: list[str], *, turn: str, where: str, at_end: bool, findings: Findings
) -> tuple[list[Vote], list[Rating]] | None:
    """Reads the C- and A- lines of a block; None if the block is cut off or damaged."""
    file, _, first = where.rpartition(":")
    votes: list[Vote] = []
    ratings: list[Rating] = []
    for offset, line in enumerate(block[1:], start=1):
        place = f"{file}:{int(first) + offset}"
        cut = at_end and offset == len(block) - 1 and not line.rstrip().endswith(")")
        rater = _RATER.fullmatch(line)
        damaged = rater is None and (at_end or line.startswith(("C-", "A-")))
        if cut or damaged:
            reason = "the file is cut off here" if at_end else "is not a complete C- or A- line"
            findings.leave_out(turn, reason, place, "" if at_end else line[:60])
            return None
        if rater is None:
            findings.warn("lines of a block that are neither a C- nor an A- line (ignored)", where=place)
        elif rater[2] in [given.rater for given in (votes if rater[1] == "C" else ratings)]:
            findings.warn("second lines of a rater on a turn (not counted)", where=place)
        elif rater[1] == "C":
            votes += _read_labels(rater[2], rater[3], findings, place)
        else:
            ratings.append(_read_attributes(rater[2], rater[3], findings, place))
    return votes, ratings


def _without_comment(text: str) -> str:
    """Cuts the comment, which begins at the last tab, or at the first '(' where there is no tab before it."""
    body, _, last = text.rpartition("\t")
    return body if last.lstrip().startswith("(") else text.partition("(")[0]


def _read_labels(rater: str, text: str, findings: Findings, place: str) -> list[Vote]:
    labels: list[str] = []
    for token in filter(None, (part.strip() for part in _without_comment(text).split(";"))):
        if token not in CODES:
            findings.warn("labels that are not in the vocabulary (ignored)", where=f"{place}: {token}")
        elif CODES[token] in labels:
            findings.warn("labels given twice by one rater (counted once)", where=place)
        else:
            labels.append(CODES[token])
    if not labels:
        findings.warn("raters' lines without a label (ignored)", where=place)
    return [Vote(rater, _source(rater), label) for label in labels]


def _read_attributes(rater: str, text: str, findings: Findings, place: str) -> Rating:
    match = _ATTRIBUTES.fullmatch(_without_comment(text).strip())
    if match is None:
        findings.warn("attribute lines that cannot be read (stored as nan)", where=place)
        return Rating(rater, _source(rater), math.nan, math.nan, math.nan)
    return Rating(rater, _source(rater), *(_attribute(match[i], findings, place) for i in (1, 2, 3)))


def _attribute(text: str, findings: Findings, place: str) -> float:
    if not text.strip():
        findings.warn("attributes left blank (stored as nan)", where=place)
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 1 <= value <= 5:
        findings.warn("attributes outside 1 to 5 (stored as nan)", where=f"{place}: {text.strip()}")
        return math.nan
    return value


def _source(rater: str) -> str:
    return "outside" if rater.startswith("E") else "self"


def _header_agrees(header: list[float], ratings: list[Rating]) -> bool:
    """Whether [V, A, D] is the mean of the outside ratings; attributes without ratings are not checked."""
    outside = [rating for rating in ratings if rating.source == "outside"]
    for claimed, name in zip(header, ("valence", "arousal", "dominance"), strict=True):
        values = [getattr(rating, name) for rating in outside]
        if values and not any(map(math.isnan, values)) and abs(sum(values) / len(values) - claimed) > 1e-3:
            return False
    return True
