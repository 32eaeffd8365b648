"""Defines the keys of the models of raters; see `schema`."""

from typing import Annotated, Literal

from pydantic import Field

from ambiser.config.section import Count, Positive, Section


class Raters(Section):
    """Models of single raters above the student of stage distill, learned from the votes of named raters."""

    model: Literal["none", "heads", "embeddings", "crowd_layer"] = Field(
        "none",
        description="how a rater differs from the mean rater: by the head's output layer, by a vector that scales "
        "shared features, or by a confusion matrix after the classes [P: Rodrigues and Pereira 2018; form I]",
    )
    share: Annotated[float, Field(gt=0, le=1)] = Field(
        0.5,
        description="weight of the loss of single votes; the objective of 'amber' on the mean rater has the rest [D]",
    )
    size: Count = Field(8, description="numbers per class and head, or per embedding [D]")
    prior: Annotated[float, Field(ge=0)] = Field(
        1.0,
        description="pull of a rater toward the mean rater: weight of half the squared parameters, per vote [D]",
    )
    learning_rate: Positive = Field(0.05, description="learning rate of the raters' parameters (Adagrad per rater) [D]")
    panel: Count = Field(
        100,
        description="number of raters, those with the most training votes, whose predictions are averaged by their "
        "votes; the votes of all others count for the mean rater [D]",
    )
