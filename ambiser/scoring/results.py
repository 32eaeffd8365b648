"""Defines the results of one experiment with one seed as dataclasses; their fields are the keys of results.json."""

from dataclasses import dataclass

from ambiser.scoring.score_names import Scores
from ambiser.scoring.set_results import PredictionSets
from ambiser.scoring.stamp import Stamp

Interval = list[float]
"""Low and high end."""


@dataclass(frozen=True)
class ScoreValue:
    """A score, None where it is undefined, and its interval, None where there is none."""

    value: float | None
    interval: Interval | None


@dataclass(frozen=True)
class Human:
    """Scores of single raters, each against the distribution of the others, over this many answers."""

    answers: int
    scores: Scores


@dataclass(frozen=True, kw_only=True)
class Group:
    """A group of utterances: its size, its scores, and what they must be compared with.

    Attributes:
        utterances: how many.
        with_reference: those with a majority.
        speakers: how many.
        scores: by name, as in `ambiser.scoring.metrics.METRICS`.
        floors: the same scores of uniform probabilities, the class prior and the majority class.
        human: those of single raters, where the votes tell who gave them.
        intervals: of the scores; None where none were computed.
    """

    utterances: int
    with_reference: int
    speakers: int
    scores: Scores
    floors: dict[str, Scores]
    human: Human | None = None
    intervals: dict[str, Interval | None] | None = None

    def score(self, metric: str) -> ScoreValue:
        """Returns a score with its interval."""
        return ScoreValue(self.scores[metric], (self.intervals or {}).get(metric))


@dataclass(frozen=True, kw_only=True)
class FoldGroup(Group):
    """The test utterances of one fold, and the size of its training part."""

    train_utterances: int


@dataclass(frozen=True, kw_only=True)
class NamedGroup(Group):
    """A kind of utterances (precise, ambiguous, ...) or a gender."""

    name: str


@dataclass(frozen=True, kw_only=True)
class LevelGroup(Group):
    """A level of ambiguity: the utterances whose votes have an entropy in (above_bits, up_to_bits]; None is no end."""

    name: str
    above_bits: float | None
    up_to_bits: float | None


@dataclass(frozen=True)
class OverFolds:
    """Mean and deviation (divisor n - 1) of a score over the folds where it is defined."""

    mean: float | None
    deviation: float | None
    folds: int


@dataclass(frozen=True)
class SpeakerScores:
    """Scores of one speaker."""

    utterances: int
    accuracy: float | None
    bc: float
    jsd_bits: float
    r2_pearson: float


@dataclass(frozen=True)
class ClassScores:
    """Scores of the classes, (C,) each; None where a share of nothing is asked for."""

    precision: list[float | None]
    recall: list[float | None]
    f1: list[float | None]
    auroc: list[float | None]
    support: list[int]
    multilabel_f1: list[float | None]
    r2_determination: list[float | None]
    voted_share: list[float]
    predicted_share: list[float]


@dataclass(frozen=True)
class Reliability:
    """Per bin of confidence: how many utterances, their summed confidence and how many are right."""

    count: list[int]
    confidence: list[float]
    right: list[float]


@dataclass(frozen=True)
class EntropyTable:
    """(K, K) counts of utterances by voted (rows) and predicted (columns) entropy, between (K + 1,) edges."""

    edges_bits: list[float]
    counts: list[list[int]]


@dataclass(frozen=True)
class Bootstrap:
    """How the intervals were computed."""

    resamples: int
    level: float
    seed: int
    unit: str
    interval: str


@dataclass(frozen=True, kw_only=True)
class MainScores:
    """The scores that RESULTS.md shows: all folds pooled, over folds, and by level, kind and gender."""

    pooled: Group
    over_folds: dict[str, OverFolds]
    levels: list[LevelGroup]
    kinds: list[NamedGroup]
    genders: list[NamedGroup]


@dataclass(frozen=True, kw_only=True)
class AllScores(MainScores):
    """The main scores, those of folds, speakers and classes, the tables behind the figures, and prediction sets."""

    folds: dict[int, FoldGroup]
    per_speaker: dict[str, SpeakerScores]
    per_class: ClassScores
    confusion: list[list[int]]
    reliability: Reliability
    entropy: EntropyTable
    bootstrap: Bootstrap
    sets: PredictionSets | None = None


@dataclass(frozen=True)
class ScaleAndBias:
    """A fitted calibration: (C,) factors of the log-probabilities and (C,) addends."""

    scale: list[float]
    bias: list[float]


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """The kind of calibration, and the pooled scores before it."""

    kind: str
    before: Scores


@dataclass(frozen=True, kw_only=True)
class FittedCalibration(Calibrated):
    """A calibration with what was fitted on which part of each fold."""

    fitted_on: str
    folds: dict[int, ScaleAndBias]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What RESULTS.md needs to know of an experiment with one seed.

    Attributes:
        tag: the experiment with its seed.
        name: the experiment without its seed; scores of one name are averaged over seeds.
        stamp: everything that the scores depend on.
        left_out: how many utterances are missing, by where they were left out and why.
        scores: the scores.
        calibration: where predictions were calibrated, the scores before it.
    """

    tag: str
    name: str
    stamp: Stamp
    left_out: dict[str, dict[str, int]]
    scores: MainScores
    calibration: Calibrated | None = None


@dataclass(frozen=True, kw_only=True)
class Results(Summary):
    """All that results.json holds."""

    scores: AllScores
    calibration: FittedCalibration | None = None
