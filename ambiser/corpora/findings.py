"""Collects what a parser finds in a corpus: faults, utterances left out, warnings, and the files that it read."""

import contextlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ambiser.corpora.input_digests import Probe, probe_content
from ambiser.errors import DataError
from ambiser.io.tables import write_tsv

REMEDY = "restore the corpus, or leave these utterances out: --set data.allow_incomplete=true"
IMPORT_REMEDY = "add what is missing, or skip these rows: --allow_incomplete"
_GROUPS_SHOWN = 12
_EXAMPLES = 3
_LINE = re.compile(r":\d+$")
_AUDIO = frozenset((".wav", ".flac", ".mp3", ".ogg", ".m4a"))


class Fault(NamedTuple):
    """One fault of a corpus.

    Attributes:
        where: file, or file:line.
        reason: what is wrong, without paths and values, so that equal faults form a group.
        utt: the utterance concerned; empty for a fault of a file or a line.
        detail: the value found, or the name under which a missing file was found.
        optional: whether `data.allow_incomplete` leaves the utterance out.
    """

    where: str
    reason: str
    utt: str = ""
    detail: str = ""
    optional: bool = True

    def text(self) -> str:
        """Returns the fault as one line."""
        if self.utt:
            return f"{self.where}: {self.utt}: {self.reason}" + (f" ({self.detail})" if self.detail else "")
        return f"{self.where}: {self.reason}" + (f"; got {self.detail!r}" if self.detail else "")

    def group(self) -> tuple[str, str]:
        """Returns the file or folder concerned, and the reason."""
        path = _LINE.sub("", self.where)
        is_one_of_many = path == self.where and Path(path).suffix.lower() in _AUDIO
        return str(Path(path).parent) if is_one_of_many else path, self.reason

    def example(self) -> str:
        """Returns the fault within its group: utterance or line, and the value."""
        line = _LINE.search(self.where)
        name = self.utt or (f"line {line[0][1:]}" if line else "")
        value = f"({self.detail})" if self.utt else repr(self.detail)
        return " ".join(filter(None, (name, value if self.detail else "")))


@dataclass
class Findings:
    """What a parser found; nothing stops until `refuse`, so that all faults are reported at once.

    Attributes:
        allow_incomplete: leave utterances with a fault out instead of refusing the corpus.
        left_out: the reason by utterance.
        warnings: how often each was given.
        places: warning and place (file:line, or a name).
        faults: in the order found.
        inputs: size and checksum of the label files and tables that were read.
        remedy: what to do if all faults concern single utterances.
        hints: lines that end the message of all faults, such as options that correct them.
    """

    allow_incomplete: bool = False
    left_out: dict[str, str] = field(default_factory=dict)
    warnings: Counter = field(default_factory=Counter)
    places: list[tuple[str, str]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    inputs: dict[Path, Probe] = field(default_factory=dict)
    remedy: str = REMEDY
    hints: list[str] = field(default_factory=list)

    def note_input(self, path: Path, content: bytes) -> None:
        """Notes a label file or table that was read, so that a later change of it is found."""
        self.inputs[path] = probe_content(content)

    def warn(self, what: str, count: int = 1, *, where: object = "") -> None:
        """Counts a warning, which costs no utterance; with `where` (file:line, or a name) it is also listed."""
        self.warnings[what] += count
        if where != "":
            self.places.append((what, " ".join(str(where).split())))

    def drop(self, utt: str, reason: str) -> None:
        """Leaves out an utterance that no complete copy has either: a known defect, or a part not downloaded."""
        self.left_out[utt] = " ".join(reason.split())

    def leave_out(self, utt: str, reason: str, where: object, detail: str = "") -> None:
        """Leaves out an utterance with a fault if the configuration allows it; otherwise adds the fault."""
        reason = " ".join(reason.split())
        if self.allow_incomplete:
            self.left_out[utt] = reason
        else:
            self.faults.append(Fault(str(where), reason, utt, detail))

    def miss(self, reason: str, where: object) -> None:
        """Adds the fault that something of the corpus as a whole is missing, or warns if that is allowed."""
        if self.allow_incomplete:
            self.warn(f"{where}: {reason}")
        else:
            self.faults.append(Fault(str(where), reason))

    def error(self, reason: str, where: object, value: str = "") -> None:
        """Adds a fault that must be corrected, because without it the corpus would be another one."""
        self.faults.append(Fault(str(where), reason, detail=value, optional=False))

    def has_error(self, where: str) -> bool:
        """Whether there is a fault at a place that begins with these words."""
        return any(fault.where.startswith(where) for fault in self.faults)

    @contextlib.contextmanager
    def collect(self) -> Iterator[None]:
        """Adds a DataError of the block as a fault, so that the other files are read too."""
        try:
            yield
        except DataError as error:
            where, _, reason = str(error).partition(": ")
            self.error(reason, where)

    def refuse(self, root: Path | None = None, listing: Path | None = None) -> None:
        """Stops if there are faults; otherwise removes the listing of an earlier run.

        Args:
            root: the folder of the corpus; paths are shown relative to it.
            listing: the table that gets every fault, one per line.

        Raises:
            DataError: a single fault in one line; several grouped by reason and by file or folder.
        """
        if listing is not None and not self.faults:
            listing.unlink(missing_ok=True)
        if not self.faults:
            return
        if listing is not None:
            rows = (tuple(" ".join(word.split()) for word in fault[:4]) for fault in self.faults)
            write_tsv(listing, ["where", "reason", "utt", "found"], rows)
        raise DataError("\n  ".join([describe_faults(self.faults, root, listing, self.remedy), *self.hints]))


def describe_faults(
    faults: list[Fault], root: Path | None = None, listing: Path | None = None, remedy: str = REMEDY
) -> str:
    """Returns the message for faults: one line for one, otherwise one line per group of equal faults."""
    if not all(fault.optional for fault in faults):
        remedy = "correct them and run again" if len(faults) > 1 else "correct it and run again"
    if len(faults) == 1:
        return f"{faults[0].text()}; {remedy}"
    groups: dict[tuple[str, str], list[Fault]] = {}
    for fault in faults:
        groups.setdefault(fault.group(), []).append(fault)
    shown = list(groups.items())[:_GROUPS_SHOWN]
    lines = [_group_line(_relative(place, root), reason, members) for (place, reason), members in shown]
    if len(groups) > len(shown):
        lines.append(f"and {len(groups) - len(shown)} more groups of faults")
    listed = f", all listed in {listing}" if listing else ""
    place = f" in {root}" if root else ""
    return "\n  ".join([f"{len(faults)} faults{place}{listed}; {remedy}:", *lines])


def _group_line(place: str, reason: str, faults: list[Fault]) -> str:
    if len(faults) == 1:
        return faults[0]._replace(where=place + "".join(_LINE.findall(faults[0].where))).text()
    first: dict[str, Fault] = {}  # equal values in several lines are one example
    for fault in faults:
        first.setdefault(fault.utt or fault.detail or fault.where, fault)
    examples = ", ".join(_distinct(fault.example() for fault in first.values()))
    what = "utterances" if faults[0].utt else "times"
    return f"{place}: {reason}: {len(faults)} {what}" + (f", such as {examples}" if examples else "")


def _distinct(words: Iterable[str]) -> list[str]:
    return [word for word in dict.fromkeys(words) if word][:_EXAMPLES]


def _relative(place: str, root: Path | None) -> str:
    return place if root is None else place.removeprefix(f"{root}/")
