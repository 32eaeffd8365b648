"""Defines the keys of the data: the corpus, its split, and how votes become labels; see `schema`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from ambiser.config.section import Section, Share

LABELS = (
    "neu", "hap", "exc", "sad", "ang", "fru", "fea", "sur", "dis", "con", "oth",
    "amu", "ann", "cnc", "cnf", "dep", "dsp",  # secondary in MSP-Podcast: amused, annoyed, concerned, confused, ...
    "bor", "cal",  # boredom (EmoDB), calm (RAVDESS)
)  # fmt: skip
MOST_CLASSES = 200  # scores hold a confusion matrix per resample: 320 MB for this many classes
PROTOCOLS = (
    "leave_one_session_out",
    "leave_one_speaker_out",
    "speaker_folds",
    "unseen_test_speaker",
    "speaker_text_folds",
    "as_released",
    "across_corpora",
    "recording_folds",
    "text_folds",
    "random",
    "balanced_utterances",
)
MINI_CONFLICT = 0.12
CORPUS_NAMES = (
    "mini",
    "iemocap",
    "msp_podcast",
    "msp_improv",
    "crema_d",
    "meld",
    "ravdess",
    "emodb",
    "nemo",
    "tess",
    "kaldi",
)
LEAKING = ("recording_folds", "text_folds", "random", "balanced_utterances")
"""Protocols that ignore speakers: results are marked as leaking."""


class Data(Section):
    """The corpus and its split."""

    omitted_at_default: ClassVar = ("mini_conflict", "sound_sample", "unlabelled")

    corpus: Literal[CORPUS_NAMES] = Field(  # type: ignore[valid-type] # pydantic reads the names at run time
        "mini", description="corpus parser, in ambiser/corpora"
    )
    version: str = Field("", description="release of the corpus, recorded in the stamp of every result")
    protocol: Literal[PROTOCOLS] = Field(  # type: ignore[valid-type]
        "leave_one_session_out",
        description="test part of a fold: one session, one speaker, a set of speakers, one speaker with dev from the "
        "training speakers, a set of speakers with a set of texts, the released test part, another corpus, a set of "
        "recordings, a set of texts, random utterances, or utterances balanced by the entropy of their votes [S]; the "
        "last four leak speakers (results are marked)",
    )
    dev: Literal["next_session", "previous_session"] = Field(
        "next_session", description="dev part: the session (or set) after or before the test session"
    )
    folds: Annotated[int, Field(ge=3)] = Field(
        5, description="number of folds, where the test part is a set that is dealt"
    )
    test_part: Literal["Test1", "Test2"] = Field("Test1", description="released test part, for as_released")
    allow_leaks: bool = Field(
        False, description="continue when parts share a speaker, recording or wav; results are marked"
    )
    mini_utterances: Annotated[int, Field(ge=60)] = Field(
        640, description="number of utterances to synthesize, for corpus mini"
    )
    mini_conflict: Share = Field(
        MINI_CONFLICT,
        description="share of utterances whose words are drawn independently of the voice, for corpus mini",
    )
    unlabelled: Literal["refuse", "pool"] = Field(
        "refuse",
        description="utterances without votes, for corpus kaldi: a fault, or the part 'pool' of a fold, for ipr.pool",
    )
    sound_sample: Annotated[int, Field(ge=0)] = Field(
        500, description="number of utterances whose level, clipping, offset and silence data/report.html shows"
    )
    allow_incomplete: bool = Field(
        False, description="continue when files are missing or counts differ from the release"
    )
    leave_out: list[str] = Field(
        [], description="utterances to leave out, such as those that stage 2 could not process; results count them"
    )


class LabelPolicy(Section):
    """How the raters' votes become soft labels, hard labels, and the precise and ambiguous sets."""

    omitted_at_default: ClassVar = ("least_raters",)

    classes: dict[str, Annotated[list[str], Field(min_length=1)]] = Field(
        {"neutral": ["neu"], "happy": ["hap", "exc"], "angry": ["ang"], "sad": ["sad"]},
        description="the classes, each with the labels that count for it; corpus kaldi can declare its own labels [I]",
        min_length=2,
    )
    other_votes: Literal["drop_vote", "drop_utterance", "extra_class"] = Field(
        "drop_vote",
        description="votes outside the classes: drop the vote, drop the utterance, or count it as class 'other'",
    )
    other_majority: Literal["drop_utterance", "keep"] = Field(
        "drop_utterance", description="utterances with a majority outside the classes [D]"
    )
    no_majority: Literal["keep", "drop_utterance"] = Field(
        "keep",
        description="utterances without a majority: keep them for distribution scores (accuracy and F1 skip them), or "
        "drop them",
    )
    ties: Literal["exclude", "first"] = Field(
        "exclude", description="hard label of a tie: none, or the first of the tied classes"
    )
    least_raters: Annotated[int, Field(ge=0)] = Field(
        0, description="leave out utterances with fewer outside raters, and count them; MSP-Podcast in AmbER²: 5 [S]"
    )
    include_self: bool = Field(False, description="count the speakers' votes on their own speech")
    multi_label: Literal["split_mass", "one_vote_each"] = Field(
        "split_mass", description="several labels by one rater: split one vote among them, or one vote each"
    )
    secondary_weight: Share = Field(
        0.0, description="share of a vote that goes to MSP-Podcast's secondary labels; 0 ignores them"
    )
    aggregate: Literal["votes", "dawid_skene", "glad", "mace"] = Field(
        "votes",
        description="soft labels: vote shares, or posteriors of Dawid-Skene, GLAD or MACE, which weight the raters",
    )
    smoothing: Share = Field(
        0.0, description="label smoothing e in training: (1 - e) y + (1 - y) e / (C - 1) for soft label y, C classes"
    )
    precise: Literal["unanimous", "majority"] | Share = Field(
        "unanimous",
        description="precise utterances: unanimous, with a majority, or with at least this share of the votes for one "
        "class [D]",
    )
    ambiguous: Literal["majority", "any"] = Field(
        "majority",
        description="ambiguous utterances: with a majority but not precise, or all that are not precise [I]",
    )

    @model_validator(mode="after")
    def _labels_belong_to_one_class(self) -> "LabelPolicy":
        if len(self.classes) > MOST_CLASSES:
            raise ValueError(f"classes: must be at most {MOST_CLASSES}; got {len(self.classes):,}")
        labels = [label for members in self.classes.values() for label in members]
        repeated = sorted({label for label in labels if labels.count(label) > 1})
        if repeated:
            raise ValueError(f"{', '.join(repeated)} belongs to two classes; a label counts for one class only")
        if self.other_votes == "extra_class" and "other" in self.classes:
            raise ValueError("other_votes: extra_class adds a class 'other', but 'classes' has one; rename it")
        return self
