"""Defines the keys of the training stages: optimization, AmbER² and shared settings; see `schema`."""

from typing import Annotated, ClassVar, Literal

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
    select: Literal["jsd", "calibrated_jsd", "ua", "accuracy", "ccc", "last"] = Field(
        "calibrated_jsd",
        description="dev score that selects the best epoch; calibrated_jsd: JSD at the best temperature; ccc: mean CCC "
        "of the attributes (needs attributes.weight); last: the last epoch, without patience [D]",
    )


class ContrastiveOptimization(Optimization):
    """Optimization of contrastive fine-tuning."""

    epochs: Epochs = 20


class DistillOptimization(Optimization):
    """Optimization of the heads and their distillation."""

    epochs: Epochs = 30
    batch: Batch = 64


class Amber(Section):
    """Dual ambiguity-aware distillation (arXiv 2601.18010), and the baselines on the same network."""

    target: Literal["votes", "majority"] = Field(
        "votes", description="training target: soft label, or hard label (utterances without a majority are skipped)"
    )
    utterances: Literal["all", "precise"] = Field(
        "all",
        description="training utterances: all, or the precise ones alone, which withholds all votes for ambiguous "
        "utterances [D]",
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
    detach_teachers: bool = Field(
        True, description="no gradient of the guidance reaches a teacher, so none is pulled to the student [D]"
    )
    use_prototypes: bool = Field(
        True,
        description="after IPR: append to the heads' input the similarities to the prototypes, and the log-posteriors "
        "of Gaussian prototypes where ipr.predict_by names them [D]",
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

    omitted_at_default: ClassVar = ("save_every_s", "pooled_features")

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
    save_every_s: Annotated[float, Field(ge=0)] = Field(
        30.0,
        description="shortest time in seconds between two writings of last.pt, from which a killed training resumes; "
        "Ctrl-C and SIGTERM always write it",
    )
    pooled_features: Literal["auto", "memory", "mapped"] = Field(
        "auto",
        description="pooled speech features: read into memory, or gathered from mapped files, which all jobs of a "
        "machine share; results are the same. auto: mapped if larger than an eighth of the memory; Gaussian prototypes "
        "always need the memory",
    )
