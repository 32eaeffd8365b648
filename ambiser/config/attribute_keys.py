"""Defines the keys of valence, arousal and dominance; see `schema`."""

from typing import Annotated

from pydantic import Field

from ambiser.config.section import Section, Share


class Attributes(Section):
    """Valence, arousal and dominance as distributions over raters, learned beside the classes of stage distill."""

    weight: Share = Field(
        0.0,
        description="weight of the attributes' loss; that of the classes has the rest; 0: not learned; 1: alone, with "
        "distill.select: ccc [D]",
    )
    spread: Annotated[float, Field(ge=0)] = Field(
        0.5, description="weight of the likelihood of the raters' spread, against 1 - CCC of their mean [D]"
    )
