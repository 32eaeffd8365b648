"""Recognizes the columns of a table of labels, and its form: long, a column per rater, counts, or one label."""

import difflib
from collections.abc import Mapping
from pathlib import Path

from ambiser.corpora.findings import Findings
from ambiser.corpora.importing.label_words import LabelWords
from ambiser.corpora.importing.vote_cells import whole_number

COLUMN_NAMES = {
    "utt": ("utt", "utterance", "file", "filename", "file name", "name", "clip", "wav", "audio", "path", "id"),
    "rater": ("rater", "annotator", "worker", "evaluator", "listener", "rater id", "worker id", "annotator id"),
    "label": ("label", "emotion", "vote", "category", "class", "annotation"),
    "speaker": ("speaker", "spk", "actor", "speaker id", "actor id"),
    "gender": ("gender", "sex"),
    "session": ("session", "dialog", "dialogue"),
    "start": ("start", "begin", "onset", "start s", "start time"),
    "end": ("end", "stop", "end s", "end time"),
    "channel": ("channel",),
    "text": ("text", "transcript", "transcription", "words", "sentence"),
}


def find_columns(path: Path, header: list[str], own: Mapping[str, str], findings: Findings) -> dict[str, str]:
    """Returns the column of the table for each known meaning; a wrong name that the user gave is a fault.

    Raises:
        DataError: no column names the file, or a column of times lacks the other one.
    """
    plain = {" ".join(name.casefold().replace("_", " ").split()): name for name in header}
    there, found = f"the columns are {', '.join(header)}", {}
    for meaning, name in own.items():
        if meaning not in COLUMN_NAMES:
            known = ", ".join(COLUMN_NAMES)
            turned = f"; did you mean {name}={meaning}?" if name in COLUMN_NAMES else ""
            reason = f"{meaning} is no meaning of a column{turned}; write MEANING=NAME with one of {known}"
            findings.error(reason, f"--columns {meaning}={name}")
        elif name not in header:
            near = difflib.get_close_matches(name, header, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            findings.error(f"no column {name!r}{hint}; {there}", f"--columns {meaning}={name}")
    for meaning, names in COLUMN_NAMES.items():
        column = own.get(meaning) or next((plain[name] for name in names if name in plain), "")
        if column in header and column not in found.values():
            found[meaning] = column
    if "utt" not in found and "utt" not in own:
        findings.error(f"no column names the audio file; use --columns utt=NAME; {there}", f"{path}:1")
    if ("start" in found) != ("end" in found):
        has, lacks = ("start", "end") if "start" in found else ("end", "start")
        reason = f"there is a column for the {has} of an utterance and none for its {lacks}"
        findings.error(f"{reason}; use --columns {lacks}=NAME", f"{path}:1")
        del found[has]
    if "utt" not in found:
        findings.refuse()
    return found


def find_form(
    path: Path, header: list[str], rows: list, named: Mapping[str, str], words: LabelWords, findings: Findings
) -> tuple[str, list[str]]:
    """Returns the form of the table, and the columns that hold its votes.

    Raises:
        DataError: it is none of the four.
    """
    if "label" in named:
        return ("long" if "rater" in named else "single"), [named["label"]]
    others = [name for name in header if name and name not in named.values()]
    classes = [name for name in others if words.knows(name)]
    cells = {name: [row[i] for _, row in rows if len(row) > i and row[i]] for i, name in enumerate(header)}
    if len(classes) > 1 and all(whole_number(cell) is not None for name in classes for cell in cells[name]):
        return "counts", classes
    raters = [n for n in others if cells[n] and sum(map(words.knows, cells[n])) > len(cells[n]) / 2]
    if not raters:
        _refuse_form(path, header, rows, classes, findings)
    return "raters", raters


def _refuse_form(path: Path, header: list[str], rows: list, classes: list[str], findings: Findings) -> None:
    """Raises DataError for a table without labels; of shares per class, the first cell is named."""
    at = [header.index(name) for name in classes] if len(classes) > 1 else []
    parts = ((line, row[i]) for line, row in rows for i in at if len(row) > i and row[i])
    line, share = next(((line, cell) for line, cell in parts if whole_number(cell) is None), (1, ""))
    if share:
        reason = (
            f"votes per class ({', '.join(classes)}) must be whole numbers; multiply shares by the number of raters"
        )
    else:
        reason = (
            "no column holds labels; name it with --columns label=NAME, or map its words with --labels WORD=CODE; "
            f"the columns are {', '.join(header)}"
        )
    findings.error(reason, f"{path}:{line}", share)
    findings.refuse()
