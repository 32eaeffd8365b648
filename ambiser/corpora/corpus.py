"""What every parser returns: utterances with each rater's votes, and what was left out or looked odd."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ambiser.errors import DataError

REMEDY = "--set data.allow_incomplete=true"


class Vote(NamedTuple):
    """One label that one rater gave; `source` is outside or self, `slot` is primary or secondary."""

    rater: str
    source: str
    label: str
    slot: str = "primary"


class Rating(NamedTuple):
    """What one rater said of valence, arousal and dominance; nan where the value is missing."""

    rater: str
    source: str
    valence: float
    arousal: float
    dominance: float


@dataclass(frozen=True, slots=True)
class Utterance:
    """One utterance with what was said of it.

    Attributes:
        label: the consensus code as released ("xxx": none).
        votes: empty where a release withholds them; such an utterance can be predicted and not scored.
        recording: what it was cut from; no recording may stand on two sides of a fold. Empty: nothing known.
        part: the part of the released split (Train, Development, Test1, ...), or empty.
        acted: the code of the emotion that was acted, or empty.
        expected_s: how long the labels' own times say it is; 0 where they say nothing.
    """

    utt: str
    wav: Path
    speaker: str
    gender: str
    session: str
    label: str
    text: str
    votes: tuple[Vote, ...]
    ratings: tuple[Rating, ...]
    recording: str = ""
    part: str = ""
    acted: str = ""
    expected_s: float = 0.0


def is_utf8(content: bytes) -> bool:
    """Whether bytes are UTF-8."""
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


@dataclass
class Findings:
    """What a parser met on its way: utterances left out with the reason, and oddities with their number."""

    allow_incomplete: bool = False
    left_out: dict[str, str] = field(default_factory=dict)
    warnings: Counter = field(default_factory=Counter)
    places: list[tuple[str, str]] = field(default_factory=list)

    def warn(self, what: str, count: int = 1, *, where: object = "") -> None:
        """Counts an oddity that costs no utterance; `where` (file:line, or a name) puts it on the list as well."""
        self.warnings[what] += count
        if where != "":
            self.places.append((what, " ".join(str(where).split())))

    def drop(self, utt: str, reason: str) -> None:
        """Leaves an utterance out that no restored corpus would have: a known defect, a part that is not there."""
        self.left_out[utt] = " ".join(reason.split())

    def leave_out(self, utt: str, reason: str, where: object) -> None:
        """Leaves an utterance out when the configuration allows it.

        Raises:
            DataError: data.allow_incomplete is false; the message names the place and the way to go on.
        """
        if not self.allow_incomplete:
            raise DataError(f"{where}: {utt}: {reason}; restore the corpus, or go on without it: {REMEDY}")
        self.left_out[utt] = " ".join(reason.split())

    def fault(self, message: str) -> None:
        """Counts a fault that concerns the corpus as a whole, or raises it as `leave_out` does."""
        if not self.allow_incomplete:
            raise DataError(f"{message}; restore the corpus, or go on with what is there: {REMEDY}")
        self.warn(message)


@dataclass
class Corpus:
    """A parsed corpus, the utterances sorted bytewise by name; `version` is the release as far as its files tell."""

    name: str
    utterances: list[Utterance]
    findings: Findings
    made_up: bool = False
    version: str = ""
