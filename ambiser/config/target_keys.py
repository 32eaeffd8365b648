"""Defines the keys of the training targets of stage distill beyond votes and majority; see `schema`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ambiser.config.section import Section, Share


class Targets(Section):
    """Training targets of stage distill; scores are against the section `labels` all the same."""

    omitted_at_default: ClassVar = (
        "secondary_weight",
        "other_class",
        "smoothing_toward",
        "logit_adjustment",
        "curriculum",
        "curriculum_start",
        "curriculum_end",
    )

    secondary_weight: Share = Field(
        0.0,
        description="share of a vote that goes to secondary labels in training targets, where labels.secondary_weight "
        "is 0 [I: arXiv 2606.27536]",
    )
    other_class: bool = Field(
        False,
        description="train with a class for votes outside the classes; predictions leave it out and sum to 1 without "
        "it [I: arXiv 2606.27536]",
    )
    smoothing_toward: Literal["uniform", "confusion"] = Field(
        "uniform",
        description="where labels.smoothing moves mass: to all other classes alike, or to the classes that other "
        "raters of the same training utterances chose [D]",
    )
    logit_adjustment: Annotated[float, Field(ge=0)] = Field(
        0.0, description="training adds this times the log share of each class to its logit; 1 [P: arXiv 2007.07314]"
    )
    curriculum: Literal["none", "low_entropy_first"] = Field(
        "none", description="training utterances of an epoch: all, or those of low vote entropy first [I: 2606.27536]"
    )
    curriculum_start: Annotated[float, Field(gt=0, le=1)] = Field(
        0.3, description="share of the utterances in the first epoch of a curriculum; it grows linearly [D]"
    )
    curriculum_end: Share = Field(
        0.5, description="share of the epochs after which a curriculum has all utterances [D]"
    )
