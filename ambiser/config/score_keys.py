"""Defines the keys of scoring; see `schema`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from ambiser.config.section import Section

MOST_POSITIONS = 10
"""The exact Wasserstein distance enumerates potentials: 48,620 for ten classes, four times as many for one more."""


class Score(Section):
    """Scores of the predictions."""

    omitted_at_default: ClassVar = (
        "positions",
        "sets",
        "sets_coverage",
        "sets_by",
        "sets_per_class",
        "sets_penalty",
        "sets_free_ranks",
    )

    ece_bins: Annotated[int, Field(ge=2, le=100)] = Field(
        10, description="number of equal-width bins of the expected calibration error"
    )
    levels: Annotated[list[float], Field(min_length=1)] = Field(
        [0.0, 0.95], description="upper entropy bounds (bits) of the ambiguity levels; the highest level has none"
    )
    calibration: Literal["none", "temperature", "vector"] = Field(
        "temperature",
        description="scale log-probabilities by one factor, or one factor and a bias per class; fit on dev [D]",
    )
    calibration_by: Literal["nll", "jsd"] = Field(
        "jsd", description="score that the calibration minimizes on dev: cross-entropy with the votes, or JSD [D]"
    )
    resamples: Annotated[int, Field(ge=100, le=1000000)] = Field(
        1000, description="bootstrap resamples of the speakers, for confidence intervals"
    )
    paired_resamples: Annotated[int, Field(ge=100, le=1000000)] = Field(
        10000, description="bootstrap resamples for comparisons; the smallest p-value is 2 / resamples, uncorrected"
    )
    interval: Literal["percentile", "bca"] = Field(
        "percentile", description="bootstrap interval: percentile, or bias-corrected and accelerated (BCa)"
    )
    positions: dict[str, list[float]] = Field(
        {},
        description="position of each class, for example its valence and arousal: {neutral: [0, 0], ...}; the distance "
        "between two classes in the scores wasserstein and absolute_distance; {}: 1 between any two",
    )
    sets: Literal["none", "aps", "raps"] = Field(
        "aps",
        description="prediction sets, calibrated on dev (conformal): most probable classes up to a mass, with raps and "
        "a penalty per rank",
    )
    sets_coverage: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.9, description="share of labels that prediction sets should cover"
    )
    sets_by: Literal["votes", "majority"] = Field(
        "votes",
        description="labels that `ambiser predict` calibrates its sets on: all votes (Monte-Carlo conformal), or "
        "majorities (split conformal); results have both",
    )
    sets_per_class: bool = Field(False, description="one threshold per class, so that each class is covered")
    sets_penalty: Annotated[float, Field(ge=0)] = Field(0.1, description="penalty of raps per rank above the free ones")
    sets_free_ranks: Annotated[int, Field(ge=0)] = Field(1, description="ranks without penalty, for raps")

    @model_validator(mode="after")
    def _positions_differ(self) -> "Score":
        points = list(self.positions.values())
        if len({len(point) for point in points}) > 1 or [] in points:
            raise ValueError("positions: must have the same number of coordinates for each class, at least one")
        if len({tuple(point) for point in points}) < len(points):
            raise ValueError("positions: two classes have the same position; change one")
        if len(points) > MOST_POSITIONS:
            raise ValueError(f"positions: must have at most {MOST_POSITIONS} classes; got {len(points)}")
        return self
