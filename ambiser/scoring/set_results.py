"""Defines what results.json says of prediction sets."""

from dataclasses import dataclass

Interval = list[float]


@dataclass(frozen=True)
class SetGroup:
    """Sets of a group of utterances; intervals are None where none were computed.

    Attributes:
        name: of the group.
        utterances: how many.
        coverage: mean share of an utterance's votes that its set holds.
        majority_coverage: share of the utterances with a majority whose set holds it; None without one.
        size: mean number of classes per set.
    """

    name: str
    utterances: int
    coverage: float | None
    majority_coverage: float | None
    size: float | None
    coverage_interval: Interval | None = None
    majority_coverage_interval: Interval | None = None
    size_interval: Interval | None = None


@dataclass(frozen=True, kw_only=True)
class CalibratedSets:
    """Sets by one calibration.

    Attributes:
        pooled: all utterances.
        levels: by level of ambiguity.
        speakers: each speaker, without intervals.
        sizes: number of sets with 1 to C classes.
        thresholds: (C,) per fold; None where dev was too small and sets hold the class always.
    """

    pooled: SetGroup
    levels: list[SetGroup]
    speakers: list[SetGroup]
    sizes: list[int]
    thresholds: dict[int, list[float | None]]


@dataclass(frozen=True, kw_only=True)
class PredictionSets:
    """Prediction sets of an experiment, by calibration (votes, majority); `used` is that of predictions."""

    form: str
    coverage: float
    per_class: bool
    penalty: float
    free_ranks: int
    used: str
    by: dict[str, CalibratedSets]
