"""Reads the tables of a user's data directory, and reports every fault with file, line and value."""

import codecs
import math
from collections.abc import Iterable, Iterator
from pathlib import Path

from ambiser.config.data_keys import LABELS
from ambiser.corpora.corpus import Rating, Vote
from ambiser.corpora.findings import Findings
from ambiser.corpora.near_misses import explain_content
from ambiser.io.files import read_file
from ambiser.labels.ratings import ATTRIBUTES
from ambiser.labels.vocabulary import is_code
from ambiser.labels.vote_table import SLOTS, SOURCES

_MOST_REPEATED = 0.1


def read_pairs(path: Path, findings: Findings, *, empty: bool = False) -> dict[str, str]:
    """Reads a Kaldi table: sorted lines of 'key value'.

    Args:
        path: the table.
        findings: gets a fault for every line that is not as it should be.
        empty: accept keys without a value (an empty transcript).
    """
    table: dict[str, str] = {}
    previous = b""
    for number, line in _numbered_lines(path, findings):
        where = f"{path}:{number}"
        key, _, value = line.partition(" ")
        value, encoded = value.strip(), key.encode("utf-8")
        if not key or "\t" in key:
            findings.error("a line must be 'key value' with one blank between", where, line[:60])
        elif not value and not empty:
            findings.error("the key has no value", where, key)
        elif key in table:
            findings.error("the key appears twice; remove one line", where, key)
        else:
            if encoded < previous:
                findings.error("is not in bytewise order; sort the file with LC_ALL=C sort", where, key)
            table[key], previous = value, max(encoded, previous)
    return table


def read_own_labels(path: Path, findings: Findings) -> tuple[str, ...]:
    """Reads own_labels: a code per line, which the built-in labels lack."""
    codes = list(read_pairs(path, findings, empty=True)) if path.is_file() else []
    for code in codes:
        if code in LABELS:
            findings.error("the label is built in; remove the line", path, code)
        elif not is_code(code):
            findings.error("a label must be of small letters, digits and _, a letter first", path, code)
    return tuple(code for code in codes if code not in LABELS)


def read_votes_of_raters(path: Path, findings: Findings, own: tuple[str, ...] = ()) -> dict[str, list[Vote]]:
    """Reads votes.tsv: columns utt, rater, label, and optionally source and slot, in any order.

    Labels are the built-in ones and the `own` ones of the corpus.
    """
    labels = (*LABELS, *own)
    votes: dict[str, list[Vote]] = {}
    repeated = total = 0
    for where, row in _rows(path, findings, ("utt", "rater", "label")):
        total += 1
        source, slot = row.get("source", SOURCES[0]), row.get("slot", SLOTS[0])
        known = (("label", row["label"], labels), ("source", source, SOURCES), ("slot", slot, SLOTS))
        wrong = [(name, value, words) for name, value, words in known if value not in words]
        for name, value, words in wrong:
            findings.error(f"{name} must be one of {', '.join(words)}", where, value or "nothing")
        if not row["rater"].strip():
            findings.error("the rater has no name; without names use anon1, anon2, ... per utterance", where)
        elif not wrong:
            vote, given = Vote(row["rater"], source, row["label"], slot), votes.setdefault(row["utt"], [])
            if vote in given:
                repeated += 1
                findings.warn("lines that appear twice (counted once)", where=where)
            else:
                given.append(vote)
    _check_raters(path, votes, findings, repeated=repeated, total=total)
    return votes


def read_ratings(path: Path, findings: Findings) -> dict[str, list[Rating]]:
    """Reads attributes.tsv: columns utt, rater, valence, arousal, dominance, and optionally source."""
    ratings: dict[str, list[Rating]] = {}
    for where, row in _rows(path, findings, ("utt", "rater", *ATTRIBUTES)) if path.is_file() else []:
        numbers = []
        for name in ATTRIBUTES:
            try:
                number = float(row[name])
            except ValueError:
                number = math.inf
            if math.isinf(number):
                findings.error(f"{name} must be a number; a missing value is nan", where, row[name] or "nothing")
            else:
                numbers.append(number)
        if len(numbers) < len(ATTRIBUTES):
            continue
        rating = Rating(row["rater"], row.get("source", SOURCES[0]), *numbers)
        given = ratings.setdefault(row["utt"], [])
        if (rating.rater, rating.source) in {(other.rater, other.source) for other in given}:
            findings.warn("second ratings of a rater on an utterance (not counted)", where=where)
        else:
            given.append(rating)
    return ratings


def _check_raters(path: Path, votes: dict[str, list[Vote]], findings: Findings, *, repeated: int, total: int) -> None:
    """Refuses rater names that make several people one: votes would be merged or lost."""
    raters = {vote.rater for given in votes.values() for vote in given}
    several = sum(len(given) > 1 for given in votes.values())
    if len(raters) == 1 and (several or repeated):
        reason = f"all {total} votes are by one rater, and {several or repeated} utterances have several"
        findings.error(f"{reason}; give each rater a name, or use anon1, anon2, ... per utterance", path, *raters)
    elif repeated > _MOST_REPEATED * total:
        reason = f"{repeated} of {total} lines repeat utterance, rater and label, so they would count once"
        findings.error(f"{reason}; give each rater a name, or remove the lines", path)


def _rows(path: Path, findings: Findings, columns: Iterable[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yields file:line and the fields by column of every whole line of a tab-separated table with a header."""
    lines, earlier = _numbered_lines(path, findings), len(findings.faults)
    header = next(lines, (1, ""))[1].split("\t")
    missing = [name for name in columns if name not in header]
    if header == [""] and len(findings.faults) > earlier:  # the file cannot be read
        return
    if missing:
        findings.error(f"the header lacks {', '.join(missing)}", f"{path}:1", "\t".join(header) or "nothing")
        return
    for number, line in lines:
        fields = line.split("\t")
        if len(fields) == len(header):
            yield f"{path}:{number}", dict(zip(header, fields, strict=True))
        else:
            findings.error(f"the header has {len(header)} fields, the line has {len(fields)}", f"{path}:{number}")


def _numbered_lines(path: Path, findings: Findings) -> Iterator[tuple[int, str]]:
    """Yields the lines with their numbers; a byte order mark and Windows' line ends are taken off and counted."""
    try:
        content = read_file(path)
    except OSError as error:
        findings.error(f"cannot be read: {error.strerror}", path)
        return
    findings.note_input(path, content)
    if content.startswith(codecs.BOM_UTF8):
        findings.warn("tables with a byte order mark (ignored)", where=path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        findings.error(f"is {explain_content(path) or 'not UTF-8'}", f"{path}:{line}")
        return
    if "\r\n" in text:
        findings.warn("tables with Windows line ends (accepted)", where=path)
    if text and not text.endswith("\n"):
        findings.error("the last line has no end; the file is cut off, write it again", path)
    yield from enumerate((line.removesuffix("\r") for line in text.split("\n")[:-1]), start=1)
