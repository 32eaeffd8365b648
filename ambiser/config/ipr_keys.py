"""Defines the keys of iterative prototype refinement (section `ipr`); see `schema`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from ambiser.config.section import Positive, Section, Share


class Ipr(Section):
    """Iterative prototype refinement (arXiv 2408.00325)."""

    omitted_at_default: ClassVar = ("pool",)

    update: Literal["hard", "soft"] = Field(
        "hard", description="eq. 5: move the prototype of each pseudo label, or all by soft labels, per batch [I]"
    )
    assign_by: Literal["prototypes", "classifier"] = Field(
        "prototypes", description="source of pseudo labels, eq. 4 [I]"
    )
    key_encoder: Literal["momentum", "shared"] = Field(
        "momentum", description="encoder of the keys, eq. 3: a momentum copy, or the encoder itself [I]"
    )
    key_momentum: Share = Field(
        0.999, description="m of the momentum encoder, which halves its distance in 0.7 / (1 - m) steps [D]"
    )
    prototype_momentum: Share = Field(
        0.999, description="gamma of eq. 5, per utterance ('update: soft': per batch); 1 freezes the prototypes [D]"
    )
    prototype_temperature: Positive = Field(0.1, description="temperature tau_p of eq. 3 [D]")
    temperature: Positive = Field(0.07, description="temperature tau of the contrastive loss, eq. 6 [D]")
    contrastive_weight: Annotated[float, Field(ge=0)] = Field(
        0.5, description="weight lambda of the contrastive loss, eq. 6 [D]"
    )
    queue: Annotated[int, Field(ge=0)] = Field(
        2048, description="size of the queue of keys for the contrastive loss; empty slots are masked [D]"
    )
    target_momentum: Annotated[list[Share], Field(min_length=2, max_length=2)] = Field(
        [0.9, 0.7], description="momentum phi of the targets, first and last epoch [I]"
    )
    alignment: Literal["precise", "uniform", "none"] = Field(
        "precise",
        description="align the class shares of ambiguous labels, on average, to those of precise utterances, to equal "
        "shares, or not [D]",
    )
    alignment_momentum: Share = Field(0.98, description="momentum of the mean of ambiguous labels, per step [D]")
    prototypes_from: Literal["ambiguous", "all"] = Field(
        "ambiguous",
        description="utterances that move the prototypes; precise ones, if any, move that of their hard label [I]",
    )
    ambiguous_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.5, description="share of ambiguous utterances in a batch; 0: precise ones only [D]"
    )
    ambiguous_loss: Literal["pseudo_labels", "threshold"] = Field(
        "pseudo_labels",
        description="phases 2 and 3: cross-entropy with running targets, or the likelihood that one class (precise) or "
        "none (ambiguous) gets enough votes [D]",
    )
    ambiguous_weight: Annotated[float, Field(ge=0)] = Field(
        1.0, description="weight of ambiguous utterances in the classification loss of phases 2 and 3 [D]"
    )
    ambiguous_limit: Positive = Field(
        4.0,
        description="'ambiguous_loss: threshold': ambiguous_weight falls where all ambiguous training utterances would "
        "weigh more than this many times the precise ones [D]",
    )
    class_shares: Literal["none", "dev", "precise"] = Field(
        "none",
        description="'ambiguous_loss: threshold': pull the mean prediction for ambiguous training utterances towards "
        "class shares: mean votes for the ambiguous dev utterances (uses dev votes, as calibration does), or shares of "
        "the precise training utterances [D]",
    )
    class_shares_weight: Positive = Field(0.3, description="weight mu of the term of class_shares [D]")
    class_shares_momentum: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.9, description="momentum of the mean prediction of class_shares, per step [D]"
    )
    votes: Annotated[int, Field(ge=0)] = Field(
        0,
        description="'ambiguous_loss: threshold': number n of raters; 0: median number of votes for precise training "
        "utterances [D]",
    )
    votes_needed: Annotated[int, Field(ge=0)] = Field(
        0,
        description="'ambiguous_loss: threshold': votes K for one class that make an utterance precise, 2K > n; 0: "
        "n times the share in labels.precise, rounded up [D]",
    )
    precise_kept: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0,
        description="share of the precise training utterances of each class that IPR trains on, at least one; the rest "
        "is left out [D]",
    )
    oracle: Literal["none", "majority", "votes", "right_only", "prototypes", "shares"] = Field(
        "none",
        description="phases 2 and 3 use withheld references of ambiguous utterances, for the headroom, never for a "
        "result: as pseudo labels and targets, with votes as targets, to drop wrong pseudo labels, to move the "
        "prototypes, or for the class shares of the alignment [D]",
    )
    pool: bool = Field(
        False,
        description="phases 2 and 3 also train on the part 'pool' of a fold: utterances without votes, as ambiguous "
        "ones; needs data.unlabelled: pool [D]",
    )
    class_balanced: bool = Field(False, description="sample precise utterances of all classes equally often [D]")
    time_mask: Share = Field(
        0.2,
        description="views: length of the one masked span, as a share of the frames ('form: frames') or of the "
        "waveform ('encoder: finetune') [D]",
    )
    feature_mask: Share = Field(0.1, description="views: share of masked features; not for 'encoder: finetune' [D]")
    noise: Annotated[float, Field(ge=0)] = Field(
        0.0, description="views: Gaussian noise, in standard deviations of each feature, or of the waveform [D]"
    )
    layer_mask: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="views: share of SSL layers left out of the weighted sum, with 'form: pooled' [D]"
    )
    predict_by: Literal["classifier", "prototypes", "gaussian", "classifier_and_gaussian"] = Field(
        "classifier",
        description="source of the predicted probabilities: classifier, prototypes [I], Gaussian prototypes (section "
        "'gaussian'), or their geometric mean with the classifier [D]",
    )

    @model_validator(mode="after")
    def _objectives_fit(self) -> "Ipr":
        if self.oracle != "none" and self.ambiguous_loss != "pseudo_labels":
            raise ValueError(f"oracle: {self.oracle} needs ambiguous_loss: pseudo_labels")
        if self.pool and (self.oracle != "none" or self.ambiguous_loss != "pseudo_labels" or not self.ambiguous_share):
            raise ValueError(
                "pool: needs ambiguous_loss: pseudo_labels, oracle: none and an ambiguous_share above 0, because the "
                "utterances have no votes"
            )
        if self.oracle == "shares" and self.alignment != "precise":
            raise ValueError("oracle: shares replaces the class shares of precise utterances; set alignment: precise")
        if self.class_shares != "none" and (self.ambiguous_loss != "threshold" or self.ambiguous_share == 0):
            raise ValueError(
                f"class_shares: {self.class_shares} needs ambiguous_loss: threshold and an ambiguous_share above 0"
            )
        if self.votes and self.votes_needed and not self.votes < 2 * self.votes_needed <= 2 * self.votes:
            raise ValueError(
                f"votes_needed: should be more than half of the {self.votes} votes and at most all, "
                f"got {self.votes_needed}"
            )
        return self
