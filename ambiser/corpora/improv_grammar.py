"""Parses the table of labels of MSP-IMPROV: a header line per turn, a line per rater, an empty line."""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path

from ambiser.corpora.corpus import Rating, Vote
from ambiser.corpora.findings import Findings
from ambiser.corpora.text_files import read_text
from ambiser.errors import DataError

LETTERS = {"A": "ang", "H": "hap", "S": "sad", "N": "neu", "O": "oth", "X": "xxx"}
PRIMARY = {"angry": "ang", "happy": "hap", "sad": "sad", "neutral": "neu", "other": "oth"}
SECONDARY = PRIMARY | {
    "surprise": "sur",
    "surprised": "sur",
    "excited": "exc",
    "fear": "fea",
    "fearful": "fea",
    "depressed": "dep",
    "frustrated": "fru",
    "disgust": "dis",
    "disgusted": "dis",
}
SCALE = (1, 5)
# The consensus line has a blank before the fifth semicolon in the release; values may be NaN. No two parts
# that follow each other match the same characters, or a long run of blanks would take minutes.
_VALUES = r"\s*A:([^;]*);\s*V:([^;]*);\s*D:([^;]*);\s*(?:N:[^;]*(?:;\s*)?)?"
_HEADER = re.compile(rf"(UTD-IMPROV-[^;]*?)\.(?:avi|wav)\s*;\s*([A-Z])\s*;{_VALUES}")
_RATER = re.compile(rf"([^;]+);(.*);{_VALUES}")


@dataclass
class Turn:
    """The released consensus of a turn, and the votes and ratings of its raters."""

    label: str
    votes: tuple[Vote, ...] = ()
    ratings: tuple[Rating, ...] = ()
    raters: set[str] = field(default_factory=set)


def read_evaluation(path: Path, findings: Findings) -> dict[str, Turn]:
    """Reads Evaluation.txt.

    Of several lines of one rater on one turn the first counts; in the release they are copies. A rater's other
    emotions come from a list, which may end in free text.

    Returns:
        The turns by name, as the audio files spell it (MSP-IMPROV-...).

    Raises:
        DataError: the file holds no turn.
    """
    turns: dict[str, Turn] = {}
    turn: Turn | None = None
    for number, line in enumerate(read_text(path, findings).split("\n"), start=1):
        where, line = f"{path}:{number}", line.strip()
        header = _HEADER.fullmatch(line)
        if header:
            turn = _add_turn(turns, header, where, findings)
        elif not line:
            turn = None
        elif line.startswith("%"):
            findings.warn("comment lines (ignored)")
        elif turn is None:
            findings.miss("is no line of a turn, or a rater without a turn", where)
        else:
            _add_rater(turn, _RATER.fullmatch(line), where, findings)
    if not turns:
        raise DataError(f"{path}: holds no turn; the file is empty, or no table of labels of MSP-IMPROV")
    return turns


def _add_turn(turns: dict[str, Turn], header: re.Match[str], where: str, findings: Findings) -> Turn:
    name, letter = header[1].replace("UTD-", "MSP-", 1), header[2]
    if letter not in LETTERS:
        findings.error(f"the consensus must be one of {', '.join(LETTERS)}", where, letter)
    if name in turns:
        findings.error("the turn appears twice; remove one", where, name)
    return turns.setdefault(name, Turn(LETTERS.get(letter, "xxx")))


def _add_rater(turn: Turn, match: re.Match[str] | None, where: str, findings: Findings) -> None:
    if match is None:
        findings.miss("is not a line of a rater; the file is cut off or damaged", where)
        return
    rater, labels, act, val, dom = (text.strip() for text in match.groups())
    if rater in turn.raters:
        findings.warn("lines of a rater who has rated the turn already (not counted)", where=f"{where}: {rater}")
        return
    turn.raters.add(rater)
    primary, _, others = labels.partition(";")
    word = primary.strip().casefold()
    if word not in PRIMARY and not word.startswith("other"):
        what = "primary emotions outside the vocabulary (counted as other)" if word else "raters without an emotion"
        findings.warn(what, where=f"{where}: {primary.strip()}")
    if word:
        turn.votes += (Vote(rater, "outside", PRIMARY.get(word, "oth")),)
    turn.votes += tuple(Vote(rater, "outside", code, "secondary") for code in _secondary(others))
    valence, arousal, dominance = (_number(text, where, findings) for text in (val, act, dom))
    turn.ratings += (Rating(rater, "outside", valence, sum(SCALE) - arousal, dominance),)


def _secondary(text: str) -> tuple[str, ...]:
    """Returns the codes of a comma list of emotions, each once; free text is no label beyond "other"."""
    codes: dict[str, None] = {}
    for word in text.split(","):
        word = word.strip().casefold()
        code = "oth" if word.startswith("other") else SECONDARY.get(word)
        if code:
            codes[code] = None
    return tuple(codes)


def _number(text: str, where: str, findings: Findings) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if SCALE[0] <= value <= SCALE[1]:
        return value
    if math.isnan(value) and text.strip().casefold() in ("", "nan"):
        findings.warn("ratings that are blank (stored as nan)")
    else:
        findings.warn(f"ratings outside {SCALE[0]} to {SCALE[1]} (stored as nan)", where=f"{where}: {text}")
    return math.nan
