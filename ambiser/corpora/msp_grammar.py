"""Parses the raters' labels of MSP-Podcast in the four forms of releases since 1.6, recognized by their headers."""

import re
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path

from ambiser.corpora.findings import Findings
from ambiser.corpora.msp_opinions import PRIMARY, Opinions, Row
from ambiser.corpora.text_files import parse_json, read_csv, read_text
from ambiser.errors import DataError

# No two parts that follow each other match the same characters: a long run of blanks would take minutes.
WORKER = re.compile(r"(WORKER[^;\s]*);(.*);\s?A:([^;]*);\s*V:([^;]*);\s*D:([^;]*)(?:;\s*)?", re.DOTALL)
HEADER = re.compile(r"(\S+\.wav);\s*([A-Z]);\s*A:([^;]*);\s*V:([^;]*);\s*D:([^;]*);\s*")
_RATER_COLUMNS = ("workerid", "workers", "worker")
_COLUMNS = ("emoclass_major", "emoclass_second", "emoact", "emoval", "emodom")
_NO_RATER = "is not a line of a rater; the file is cut off or damaged"
_FEW_FIELDS = "has fewer fields than the header; the file is cut off or damaged"


def read_opinions(path: Path, findings: Findings) -> Opinions:
    """Reads labels_detailed.csv (columns, or one string per rater), labels_detailed.json or labels.txt.

    A file that cannot be read, and a header or line that fits none of the forms, are faults in the findings.
    """
    opinions = Opinions(path, findings)
    rows = {".json": _json_rows, ".csv": _csv_rows}.get(path.suffix, _text_rows)
    with findings.collect():
        opinions.add(rows(path, read_text(path, findings), findings))
    return opinions


def split_worker(text: str) -> tuple[str, str, str, str, str, str] | None:
    """Splits a rater's line into rater, primary, secondary, arousal, valence and dominance; None if it is none.

    Free text may hold any sign. So the line is read from the right; and where the primary label is not "Other...",
    it ends at the first ';'.
    """
    match = WORKER.fullmatch(text.strip())
    if match is None:
        return None
    first, _, rest = match[2].partition(";")
    if first.strip().casefold() in PRIMARY:
        primary, secondary = first, rest
    else:
        primary, _, secondary = match[2].rpartition(";")
    act, val, dom = (match[i].strip() for i in (3, 4, 5))
    return match[1], primary.strip(), secondary.strip(), act, val, dom


def _csv_rows(path: Path, text: str, findings: Findings) -> Iterator[Row]:
    rows = read_csv(path, text)
    header = [name.strip().casefold() for name in next(rows, (1, []))[1]]
    rater = next((name for name in _RATER_COLUMNS if name in header), "")
    if "filename" in header and "emodetail" in header:
        file, detail = header.index("filename"), header.index("emodetail")
        yield from _detail_rows(path, rows, file, detail, findings)
    elif "filename" in header and rater and set(_COLUMNS) <= set(header):
        places = [header.index(name) for name in ("filename", rater, *_COLUMNS)]
        yield from _column_rows(path, rows, places, findings)
    else:
        wanted = "FileName with EmoDetail, or with WorkerID, EmoClass_Major, EmoClass_Second, EmoAct, EmoVal, EmoDom"
        raise DataError(f"{path}:1: the header must hold {wanted}; it holds {', '.join(header) or 'nothing'}")


def _detail_rows(
    path: Path, rows: Iterator[tuple[int, list[str]]], file: int, detail: int, findings: Findings
) -> Iterator[Row]:
    for line, row in rows:
        fields = split_worker(row[detail]) if len(row) > max(file, detail) else None
        if fields is None:
            findings.error(_NO_RATER, f"{path}:{line}", ",".join(row)[:80])
            continue
        worker, primary, secondary, act, val, dom = fields
        yield line, row[file], worker, primary, secondary, act, val, dom


def _column_rows(
    path: Path, rows: Iterator[tuple[int, list[str]]], places: list[int], findings: Findings
) -> Iterator[Row]:
    last, pick = max(places), itemgetter(*places)
    for line, row in rows:
        if len(row) <= last:
            findings.error(_FEW_FIELDS, f"{path}:{line}", ",".join(row)[:80])
            continue
        yield line, *pick(row)


def _text_rows(path: Path, text: str, findings: Findings) -> Iterator[Row]:
    file = ""
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            file = ""
            continue
        header = HEADER.fullmatch(content.strip())
        if header:
            file = header[1]
            continue
        fields = split_worker(content)
        if fields is None or not file:
            findings.error(_NO_RATER, f"{path}:{line}", content[:80])
            continue
        worker, primary, secondary, act, val, dom = fields
        yield line, file, worker, primary, secondary, act, val, dom


def _json_rows(path: Path, text: str, findings: Findings) -> Iterator[Row]:
    """Yields rows of {file: {rater: {...}}} or {file: {"Workers": [{"Name": rater, ...}]}}."""
    names = ("EmoClass_Major", "EmoClass_Second", "EmoAct", "EmoVal", "EmoDom")
    for file, raters in parse_json(path, text).items():
        listed = raters.get("Workers") if isinstance(raters, dict) else None
        if isinstance(listed, list):
            pairs = [(str(w.get("Name")) if isinstance(w, dict) else "", w) for w in listed]
        else:
            pairs = list(raters.items()) if isinstance(raters, dict) else [("", raters)]
        for rater, said in pairs:
            if not isinstance(said, dict):
                findings.error("an entry of a rater must be an object", path, f"{file}: {rater}")
                continue
            missing = [name for name in names if name not in said]
            if missing:
                findings.error(f"an entry of a rater lacks {', '.join(missing)}", path, f"{file}: {rater}")
                continue
            yield f"{file}", file, rater, *(_plain(said[name]) for name in names)


def _plain(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
