"""Parses the names of clips and the two tables of votes of CREMA-D."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ambiser.corpora.corpus import Vote
from ambiser.corpora.findings import Findings
from ambiser.corpora.text_files import read_text
from ambiser.labels.vote_table import ANONYMOUS

HOME = "https://github.com/CheyneyComputerScience/CREMA-D"
CLIP = re.compile(r"(\d{4})_([A-Z]{3})_(ANG|DIS|FEA|HAP|NEU|SAD)_(LO|MD|HI|XX?)")
LETTERS = {"A": "ang", "D": "dis", "F": "fea", "H": "hap", "N": "neu", "S": "sad"}
ACTED = {"ANG": "ang", "DIS": "dis", "FEA": "fea", "HAP": "hap", "NEU": "neu", "SAD": "sad"}
SENTENCES = {
    "IEO": "It's eleven o'clock.",
    "TIE": "That is exactly what happened.",
    "IOM": "I'm on my way to the meeting.",
    "IWW": "I wonder what this is about.",
    "TAI": "The airplane is almost full.",
    "MTI": "Maybe tomorrow it will be cold.",
    "IWL": "I would like a new alarm clock.",
    "ITH": "I think I have a doctor's appointment.",
    "DFA": "Don't forget a jacket.",
    "ITS": "I think I've seen this before.",
    "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}
SLOWEST_MS = 10000
_HEARD = "1"  # query types: 1 voice alone, 2 face alone, 3 both


def read_table_of_votes(path: Path, findings: Findings) -> dict[str, Counter]:
    """Reads the votes for the voice alone from tabulatedVotes.csv.

    The first column is the query type times 100,000 plus the number of the clip.

    Returns:
        The number of votes by code, for every clip. Faults are in the findings, with file and line.
    """
    tabulated: dict[str, Counter] = {}
    for line, row in read_rows(path, ("", *LETTERS, "fileName", "numResponses"), findings):
        if not row[""].startswith(_HEARD) or len(row[""]) != 6:
            continue
        clip = clip_name(row["fileName"], f"{path}:{line}", findings)
        if not clip:
            continue
        try:
            counts = Counter({code: int(row[letter]) for letter, code in LETTERS.items()})
            total = int(row["numResponses"])
        except ValueError as error:
            value = str(error).rpartition(": ")[2].strip("'")
            findings.error("votes must be whole numbers", f"{path}:{line}", f"{clip}: {value}")
            continue
        if min(counts.values()) < 0 or clip in tabulated:
            fault = "appears twice; remove one line" if clip in tabulated else "has a negative number of votes"
            findings.error(fault, f"{path}:{line}", clip)
        if total != counts.total():
            findings.warn("numResponses is not the sum of the votes", where=f"{path}:{line}: {clip}")
        tabulated[clip] = counts
    if not tabulated and not findings.faults:
        findings.error("holds no votes for the voice alone (rows 1xxxxx); the file is empty or cut off", path)
    return tabulated


def list_anonymous(counts: Counter) -> list[Vote]:
    """Turns counts into one vote each, by raters who are only numbered within the clip."""
    labels = [code for code in LETTERS.values() for _ in range(counts[code])]
    return [Vote(f"{ANONYMOUS}{i:02d}", "outside", label) for i, label in enumerate(labels, start=1)]


def read_responses(path: Path, findings: Findings) -> dict[str, list[Vote]]:
    """Reads the votes for the voice alone with their raters from finishedResponses.csv.

    As in the table of votes, answers after more than ten seconds are not counted, and of several answers of one
    rater to one clip the first is. Faults are added to the findings, with file and line.
    """
    votes: dict[str, dict[str, Vote]] = {}
    for line, row in read_rows(path, ("localid", "ttr", "queryType", "clipName", "respEmo"), findings):
        if row["queryType"] != _HEARD:
            continue
        where = f"{path}:{line}"
        clip = clip_name(row["clipName"], where, findings)
        try:
            slow = float(row["ttr"]) > SLOWEST_MS
        except ValueError:
            findings.error("ttr must be a number", where, row["ttr"])
            continue
        rater = row["localid"].strip()
        if not clip:
            continue
        if slow:
            findings.warn(f"responses after more than {SLOWEST_MS / 1000:g} s (not counted)")
        elif row["respEmo"] not in LETTERS:
            findings.warn("responses that are not emotions (not counted)", where=f"{where}: {row['respEmo']}")
        elif rater in votes.setdefault(clip, {}):
            findings.warn("second responses of a rater to a clip (not counted)", where=f"{where}: {rater} {clip}")
        else:
            votes[clip][rater] = Vote(f"r{rater}", "outside", LETTERS[row["respEmo"]])
    return {clip: list(given.values()) for clip, given in votes.items()}


def clip_name(text: str, where: str, findings: Findings) -> str:
    """Returns the name of a clip; 1040_ITH_SAD_XX lacks an X in some copies. Another name is a fault, and empty."""
    clip = text.strip() + ("X" if text.strip().endswith("_X") else "")
    match = CLIP.fullmatch(clip)
    if match is None or match[2] not in SENTENCES:
        findings.error("is not the name of a clip (ACTOR_SENTENCE_EMOTION_LEVEL)", where, text)
        return ""
    return clip


def read_rows(path: Path, columns: tuple[str, ...], findings: Findings) -> Iterator[tuple[int, dict[str, str]]]:
    """Yields line number and fields of every row of a CSV table.

    A table that cannot be read or lacks a column, and a row with too few fields, are faults in the findings.
    """
    text = ""
    with findings.collect():
        text = read_text(path, findings)
    if not text and findings.faults:
        return
    reader = csv.DictReader(io.StringIO(text, newline=""))
    missing = [name or '""' for name in columns if name not in (reader.fieldnames or [])]
    if missing:
        findings.error(f"the header lacks {', '.join(missing)}; get the file again from {HOME}", f"{path}:1")
        return
    for row in reader:
        if any(row[name] is None for name in columns):
            findings.error("too few fields; the file is cut off", f"{path}:{reader.line_num}")
        else:
            yield reader.line_num, row
