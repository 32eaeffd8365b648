"""Defines the keys of the training stages: optimization, IPR, AmbER² and shared settings; see `schema`."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ambiser.config.section import Count, Positive, Section, Share

# Types without defaults, so that a stage can set its own default and keep the description.
Epochs = Annotated[int, Field(ge=1, description="maximum number of epochs")]
Batch = Annotated[int, Field(ge=2, description="utterances per step")]
Patience = Annotated[
    int, Field(ge=0, description="stop after this many epochs without a better dev score; 0 disables it")
]
Schedule = Literal["constant", "rise", "fall"]


class Optimization(Section):
    """Optimization of one training stage."""

    epochs: Epochs = 5
    batch: Batch = 32
    optimizer: Literal["adamw", "sgd"] = Field("adamw", description="optimizer")
    learning_rate: Positive = Field(1e-3, description="peak learning rate")
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.01, description="decoupled weight decay")
    warmup: Share = Field(0.1, description="share of the steps with linear warmup; cosine decay to 0 follows")
    clip: Positive = Field(1.0, description="gradient norm clipping")
    patience: Patience = 0
    select: Literal["jsd", "calibrated_jsd", "ua", "accuracy", "last"] = Field(
        "jsd",
        description="dev score that selects the best epoch; calibrated_jsd: JSD at the best temperature; last: the "
        "last epoch, without patience",
    )


class ContrastiveOptimization(Optimization):
    """Optimization of contrastive fine-tuning."""

    epochs: Epochs = 20


class DistillOptimization(Optimization):
    """Optimization of the heads and their distillation."""

    epochs: Epochs = 30
    batch: Batch = 64
    patience: Patience = 5


class Ipr(Section):
    """Iterative prototype refinement (arXiv 2408.00325)."""

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
        if self.oracle == "shares" and self.alignment != "precise":
            raise ValueError("oracle: shares replaces the class shares of precise utterances; set alignment: precise")
        if self.votes and self.votes_needed and not self.votes < 2 * self.votes_needed <= 2 * self.votes:
            raise ValueError(
                f"votes_needed: should be more than half of the {self.votes} votes and at most all, "
                f"got {self.votes_needed}"
            )
        return self


class Amber(Section):
    """Dual ambiguity-aware distillation (arXiv 2601.18010), and the baselines on the same network."""

    target: Literal["votes", "majority"] = Field(
        "votes", description="training target: soft label, or hard label (utterances without a majority are skipped)"
    )
    divergence: Literal["jsd", "kl", "soft_ce"] = Field("jsd", description="divergence D of the objective; JSD [S]")
    student: Literal["A", "T", "AT"] = Field(
        "AT", description="head to score: speech (A), text (T), fusion (AT) [P: for example fusion]"
    )
    weights: Literal["gt_divergence", "inverse_divergence", "confidence", "uniform"] = Field(
        "gt_divergence", description="rule for the teacher weights of an utterance; gt_divergence [S]"
    )
    guidance: Annotated[float, Field(ge=0)] = Field(
        0.5, description="weight lambda of the teachers' guidance [D]; the paper chooses 0.3, 0.5 or 0.7 on dev [S]"
    )
    teacher: Annotated[float, Field(ge=0)] = Field(1.0, description="weight beta of the teachers' supervision [D]")
    guidance_schedule: Schedule = Field(
        "constant", description="lambda over the epochs: constant, from 0 to its value, or from its value to 0 [D]"
    )
    teacher_schedule: Schedule = Field("constant", description="beta over the epochs, likewise [D]")
    temperature: Positive = Field(
        0.1, description="temperature tau of the teacher weights [D]; the paper chooses 0.5, 0.25 or 0.125 on dev [S]"
    )
    fusion: Literal["concat", "gated", "cross_attention", "gated_concat"] = Field(
        "concat",
        description="fusion head: concatenated vectors, gated sum of their projections, cross-attention of frames and "
        "tokens (needs 'form: frames' and 'form: tokens') [D], or concatenated vectors times a gate [S]",
    )
    modality_dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0,
        description="share of training utterances whose speech or text (in turn) is hidden from the fusion head [D]",
    )
    class_weights: Literal["none", "effective_number"] = Field(
        "none", description="weight utterances by the rarity of their classes, as EMO-SUPERB does [D]"
    )
    evidential: bool = Field(
        False, description="heads predict a Dirichlet learned from the votes (arXiv 2402.12862); needs no teachers [I]"
    )
    evidential_regularizer: Annotated[float, Field(ge=0)] = Field(
        0.01, description="weight of the misleading-evidence penalty, ramped up over 10 epochs [D]"
    )
    mc_dropout: Annotated[int, Field(ge=0, le=1000)] = Field(
        0, description="Monte-Carlo dropout: number of predictions to average; 0: one prediction without dropout [D]"
    )
    agreement_gate: bool = Field(False, description="scale the guidance by 1 - JSD(p_A, p_T) / log 2 [D]")
    use_prototypes: bool = Field(
        True, description="after IPR: append the similarities to the prototypes to the heads' input [D]"
    )
    freeze_speech: bool = Field(False, description="after IPR: freeze its encoder [D]")

    @model_validator(mode="after")
    def _objectives_fit(self) -> "Amber":
        if self.evidential and (self.guidance > 0 or self.teacher > 0):
            raise ValueError("evidential: true has no teachers; set guidance: 0 and teacher: 0")
        if self.modality_dropout > 0 and "AT" not in self.heads():
            raise ValueError(f"modality_dropout needs head AT; the heads are {' '.join(self.heads())}")
        return self

    def heads(self) -> tuple[str, ...]:
        """Returns the heads to train: the student, or all three when there is guidance or teacher supervision."""
        return ("A", "T", "AT") if self.guidance > 0 or self.teacher > 0 else (self.student,)


class Train(Section):
    """Settings that all training stages share."""

    threads: Count = Field(
        1, description="CPU threads per training; fixed, so that the machine's load does not change results"
    )
    processes: Count = Field(
        1,
        description="processes per training on this machine, one per GPU, for fine-tuned encoders; for Slurm see "
        "conf/slurm.yaml",
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto uses a GPU if there is one")
    tensorboard: bool = Field(True, description="write TensorBoard curves beside metrics.jsonl")
