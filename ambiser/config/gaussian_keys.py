"""Defines the keys of the Gaussian prototypes of IPR; see `schema`."""

from typing import Annotated, Literal

from pydantic import Field

from ambiser.config.section import Count, Positive, Section, Share


class Gaussian(Section):
    """Prototypes in the feature space, with one covariance for all classes; used where `ipr.predict_by` names them."""

    dims: Count = Field(
        32, description="number of whitened principal components of the pooled features, at most what the data give [D]"
    )
    shrinkage: Annotated[float, Field(gt=0, le=1)] = Field(
        0.1, description="share of the covariance that is replaced by its mean variance in all directions [D]"
    )
    prior_count: Annotated[float, Field(ge=0)] = Field(
        5.0, description="number of utterances at the overall mean that are added to each class [D]"
    )
    iterations: Annotated[int, Field(ge=0)] = Field(
        5, description="phases 2 and 3: refinements by ambiguous utterances; 0: precise ones only [D]"
    )
    ambiguous_weight: Share = Field(0.1, description="weight of an ambiguous utterance in a refinement [D]")
    ambiguous_limit: Positive = Field(
        0.5,
        description="ambiguous_weight falls where all ambiguous training utterances would weigh more than this many "
        "times the precise ones [D]",
    )
    temperature: Positive = Field(2.0, description="temperature of the class posteriors that refine [D]")
    share: Literal["dev"] | Share = Field(
        "dev",
        description="'predict_by: classifier_and_gaussian': exponent of the prototypes in the geometric mean; dev: the "
        "twentieth that gives the lowest JSD on dev at the best temperature [D]",
    )
