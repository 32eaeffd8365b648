"""The keys that say what the data are: the corpus, its split, and how votes become labels; see `schema`."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

LABELS = (
    "neu", "hap", "exc", "sad", "ang", "fru", "fea", "sur", "dis", "con", "oth",
    "amu", "ann", "cnc", "cnf", "dep", "dsp",  # secondary in MSP-Podcast: amused, annoyed, concerned, confused, ...
)  # fmt: skip
PROTOCOLS = ("leave_one_session_out", "leave_one_speaker_out", "speaker_folds", "as_released", "random")
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A part of the configuration: unknown keys are refused, values cannot be changed afterwards.

    A section that gives some keys of a part leaves the rest as the part's own default has them, and not as its class.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _keep_defaults_of_parts(cls, tree: object) -> object:
        if not isinstance(tree, Mapping):
            return tree
        parts = {
            name: field.default.model_dump() | dict(tree[name])
            for name, field in cls.model_fields.items()
            if isinstance(field.default, Section) and isinstance(tree.get(name), Mapping)
        }
        return {**tree, **parts}


class Data(Section):
    """Which corpus, and how it is split."""

    corpus: Literal["mini", "iemocap", "msp_podcast", "crema_d", "kaldi"] = Field(
        "mini", description="parser of ambiser/data/corpora"
    )
    version: str = Field("", description="release of the corpus, for the stamp of every result")
    protocol: Literal[PROTOCOLS] = Field(
        "leave_one_session_out",
        description="what a fold tests: a session, a speaker, a set of speakers, what the release says, or any "
        "utterances (that leaks speakers and is stamped so)",
    )
    dev: Literal["next_session", "previous_session"] = Field(
        "next_session", description="what chooses epochs: the session (or set) after or before the tested one"
    )
    folds: Annotated[int, Field(ge=3)] = Field(5, description="number of folds of speaker_folds and random")
    test_part: Literal["Test1", "Test2"] = Field("Test1", description="as_released only: the part that is tested")
    allow_leaks: bool = Field(
        False, description="go on when a speaker, recording or wav stands on two sides; the results are stamped"
    )
    mini_utterances: Annotated[int, Field(ge=60)] = Field(
        640, description="corpus mini only: how many utterances are made up"
    )
    allow_incomplete: bool = Field(
        False, description="go on when a corpus lacks files or has other counts than its release"
    )
    leave_out: list[str] = Field(
        [], description="utterances to leave out by your own choice, such as those that stage 2 could not use; counted"
    )


class LabelPolicy(Section):
    """How the raters' votes become soft labels, hard labels and the precise and ambiguous sets."""

    classes: dict[str, Annotated[list[Literal[LABELS]], Field(min_length=1)]] = Field(
        {"neutral": ["neu"], "happy": ["hap", "exc"], "angry": ["ang"], "sad": ["sad"]},
        description="each class and the labels that count for it [I]",
        min_length=2,
    )
    other_votes: Literal["drop_vote", "drop_utterance", "extra_class"] = Field(
        "drop_vote",
        description="a vote outside the classes: leave out the vote, the utterance, or count it as class 'other'",
    )
    other_majority: Literal["drop_utterance", "keep"] = Field(
        "drop_utterance", description="an utterance whose majority lies outside the classes [D]"
    )
    no_majority: Literal["keep", "drop_utterance"] = Field(
        "keep",
        description="without a majority: keep the utterance for distributions (never in accuracy and F1), or drop it",
    )
    ties: Literal["exclude", "first"] = Field(
        "exclude", description="a tie for first: no hard label, or the first class of the tie"
    )
    include_self: bool = Field(False, description="count what speakers said of themselves")
    multi_label: Literal["split_mass", "one_vote_each"] = Field(
        "split_mass", description="several labels by one rater: share one vote between them, or one vote each"
    )
    secondary_weight: Share = Field(
        0.0, description="share of a rater's vote for the secondary labels of MSP-Podcast; 0 counts primary ones alone"
    )
    aggregate: Literal["votes", "dawid_skene"] = Field(
        "votes", description="soft labels: shares of the votes, or posteriors of a model that weighs raters"
    )
    smoothing: Share = Field(
        0.0, description="e in (1 - e) y + (1 - y) e / (C - 1), applied to soft labels in training"
    )
    precise: Literal["unanimous", "majority"] | Share = Field(
        "unanimous",
        description="precise utterances: all raters agree, any majority, or at least this share of the votes [D]",
    )
    ambiguous: Literal["majority", "any"] = Field(
        "majority",
        description="ambiguous utterances: those that only have a majority, or those without one as well [I]",
    )

    @model_validator(mode="after")
    def _labels_belong_to_one_class(self) -> "LabelPolicy":
        labels = [label for members in self.classes.values() for label in members]
        doubled = sorted({label for label in labels if labels.count(label) > 1})
        if doubled:
            raise ValueError(f"{', '.join(doubled)} stands in two classes")
        if self.other_votes == "extra_class" and "other" in self.classes:
            raise ValueError("other_votes: extra_class makes a class 'other', and 'classes' has one already")
        return self
