"""Defines the result of every parser: utterances with the votes and ratings of each rater, and the findings."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ambiser.corpora.findings import Findings


class Vote(NamedTuple):
    """One label by one rater; `source` is outside or self, `slot` is primary or secondary."""

    rater: str
    source: str
    label: str
    slot: str = "primary"


class Rating(NamedTuple):
    """Valence, arousal and dominance by one rater; nan for a missing value."""

    rater: str
    source: str
    valence: float
    arousal: float
    dominance: float


class Cut(NamedTuple):
    """Which part of its recording an utterance is.

    Attributes:
        start_s: where it starts.
        end_s: where it ends; None is the end of the recording.
        channel: number from 0; None keeps all channels.
    """

    start_s: float = 0.0
    end_s: float | None = None
    channel: int | None = None


@dataclass(frozen=True, slots=True)
class Utterance:
    """One utterance with its labels.

    Attributes:
        gender: of the speaker: f, m or u (unknown).
        label: the released consensus code; "xxx" for none, "-" if the release has no consensus.
        votes: empty if the release withholds them; the utterance can then be predicted but not scored.
        recording: what it was cut from, or empty; no recording may be in two parts of a fold.
        part: the part of the released split (Train, Development, Test1, ...), or empty.
        acted: the code of the acted emotion, or empty.
        expected_s: duration in seconds according to the label files; 0 if they do not say.
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


_GENDERS = {"f": ("f", "female", "woman", "w"), "m": ("m", "male", "man"), "u": ("u", "unknown", "other", "-", "")}
_CODE_OF = {word: code for code, words in _GENDERS.items() for word in words}


def gender_code(word: str) -> str:
    """Returns f, m or u for a word such as Female, male or F; empty for a word that is none."""
    return _CODE_OF.get(word.strip().casefold(), "")


@dataclass
class Corpus:
    """A parsed corpus, utterances sorted bytewise by name.

    Attributes:
        version: the release, empty if its files do not say.
        cuts: by utterance that is a part or a channel of the file in `wav`.
        own_labels: codes of labels that the corpus declares in addition to the built-in ones.
    """

    name: str
    utterances: list[Utterance]
    findings: Findings
    made_up: bool = False
    version: str = ""
    own_labels: tuple[str, ...] = ()
    cuts: dict[str, Cut] = field(default_factory=dict)
