"""Every key of a configuration with its type, range, default and one line of explanation.

Here, in `data_schema` and in `features_schema`, which have sections of their own, is the only place where a default
stands. conf/base.yaml is generated from it (`python -m ambiser.bin.write_base_config`), and a test compares the two.
Standing of a choice: [P] stated by the paper, [I] inferred, [D] decided here.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ambiser.config.data_keys import Count, Data, LabelPolicy, Positive, Section, Share
from ambiser.config.feature_keys import SpeechFeatures, TextFeatures
from ambiser.stages import TRAINING_STAGES


class Model(Section):
    """The network, the same for all methods on the same features."""

    hidden: Count = Field(256, description="width of the hidden layer [D]")
    pooling: Literal["mean", "attentive"] = Field(
        "mean", description="with 'form: frames': mean over time, or mean and deviation weighted by attention [D]"
    )
    head: Literal["mlp", "linear"] = Field(
        "mlp", description="linear - ReLU - dropout - linear, or SUPERB's linear - linear"
    )
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(0.3, description="dropout after the hidden layer [D]")
    projection: Count = Field(128, description="size of the embedding compared with prototypes [D]")
    standardize: bool = Field(True, description="subtract mean and divide by deviation of the training part")
    encoder: Literal["frozen", "finetune"] = Field(
        "frozen",
        description="speech: cached features, or the upstream is trained with the rest, from waveforms [P: IPR]",
    )
    text_encoder: Literal["frozen", "finetune"] = Field(
        "frozen", description="text: cached features, or the Hugging Face encoder is trained with the rest [D]"
    )


class Finetune(Section):
    """Training of the pre-trained encoders themselves (model.encoder or model.text_encoder: finetune)."""

    learning_rate: Positive = Field(
        1e-5, description="peak learning rate of the encoders; heads have their stage's [D]"
    )
    layer_decay: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="learning rate of a layer as a share of that of the layer above it [D]"
    )
    freeze_convolutions: bool = Field(True, description="leave the convolutions below the layers as they are [D]")
    checkpointing: bool = Field(
        False, description="compute the layers once more in the backward pass: less memory, more time"
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="what the encoders compute in; weights and heads stay in float32"
    )
    longest_s: Positive = Field(
        10.0, description="of a longer training utterance a span of so many seconds is drawn at each step [D]"
    )
    gain_db: Annotated[float, Field(ge=0, le=60)] = Field(
        6.0, description="views of IPR: largest change of the loudness of a waveform [D]"
    )


class Optimization(Section):
    """How one stage is optimised."""

    epochs: Annotated[int, Field(ge=1)] = Field(30, description="at most this many epochs")
    batch: Annotated[int, Field(ge=2)] = Field(32, description="utterances a step")
    optimizer: Literal["adamw", "sgd"] = Field("adamw", description="optimiser")
    learning_rate: Positive = Field(1e-3, description="peak learning rate")
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.01, description="decoupled weight decay")
    warmup: Share = Field(0.1, description="share of the steps with a rising rate; then it falls to 0 along a cosine")
    clip: Positive = Field(1.0, description="largest norm of the gradient")
    patience: Annotated[int, Field(ge=0)] = Field(
        0, description="stop after so many epochs without a better dev score; 0: never"
    )
    select: Literal["jsd", "ua", "accuracy", "last"] = Field(
        "ua", description="dev score that chooses the epoch; last: none, the last epoch is kept and patience ignored"
    )


class Ipr(Section):
    """Iterative prototype refinement (arXiv 2408.00325)."""

    update: Literal["hard", "soft"] = Field(
        "hard", description="eq. 5: per utterance of the pseudo class, or the weighted mean of the batch [I]"
    )
    assign_by: Literal["prototypes", "classifier"] = Field(
        "prototypes", description="who gives the pseudo label, eq. 4 [I]"
    )
    key_encoder: Literal["momentum", "shared"] = Field(
        "momentum", description="eq. 3: a slow copy of the encoder, or the encoder itself [I]"
    )
    key_momentum: Share = Field(
        0.999, description="m of the slow copy [D]; after 0.7 / (1 - m) steps it has gone half of the way"
    )
    prototype_momentum: Share = Field(
        0.999, description="gamma of eq. 5, for every utterance (soft: every batch) [D]; 1 freezes the prototypes"
    )
    prototype_temperature: Positive = Field(0.1, description="tau_p of eq. 3 [D]")
    temperature: Positive = Field(0.07, description="tau of eq. 6 [D]")
    contrastive_weight: Annotated[float, Field(ge=0)] = Field(0.5, description="lambda of eq. 6 [D]")
    queue: Annotated[int, Field(ge=0)] = Field(
        2048, description="keys kept for contrast; unfilled slots are masked [D]"
    )
    target_momentum: Annotated[list[Share], Field(min_length=2, max_length=2)] = Field(
        [0.9, 0.7], description="phi of the running targets, first and last epoch [I]"
    )
    alignment: Literal["precise", "uniform", "none"] = Field(
        "precise",
        description="scale ambiguous labels so that on average they have the class shares of the precise utterances, "
        "or equal ones; or leave them as they are [D]",
    )
    alignment_momentum: Share = Field(0.98, description="running mean of the ambiguous labels, per step [D]")
    prototypes_from: Literal["ambiguous", "all"] = Field(
        "ambiguous", description="whose embeddings move the prototypes; precise ones go to the class of their label [I]"
    )
    ambiguous_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.5, description="share of ambiguous utterances in a batch [D]; 0: precise ones only"
    )
    class_balanced: bool = Field(False, description="draw precise utterances of all classes equally often [D]")
    time_mask: Share = Field(
        0.2,
        description="views: share of the frames ('form: frames') or of the waveform ('encoder: finetune') in the one "
        "span that is masked [D]",
    )
    feature_mask: Share = Field(
        0.1, description="views: share of the features that are masked; not with 'encoder: finetune' [D]"
    )
    noise: Annotated[float, Field(ge=0)] = Field(
        0.0, description="views: Gaussian noise, in deviations of each feature, or of the waveform [D]"
    )
    layer_mask: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="views: share of the SSL layers that are left out of the mix, with 'form: pooled' [D]"
    )
    predict_by: Literal["classifier", "prototypes"] = Field(
        "classifier", description="what gives the probabilities that are scored [I]"
    )


class Amber(Section):
    """Dual ambiguity-aware distillation (arXiv 2601.18010) and the baselines on the same network."""

    target: Literal["votes", "majority"] = Field(
        "votes", description="train on the soft label, or on the hard one (no majority: left out)"
    )
    divergence: Literal["jsd", "kl", "soft_ce"] = Field("jsd", description="D of the objective [D]")
    student: Literal["A", "T", "AT"] = Field(
        "AT", description="the head that is scored: speech, text, fusion [P: for example fusion]"
    )
    weights: Literal["gt_divergence", "inverse_divergence", "confidence", "uniform"] = Field(
        "gt_divergence", description="how teachers are weighted for an utterance [D]"
    )
    guidance: Annotated[float, Field(ge=0)] = Field(0.5, description="lambda, weight of what the teachers say [D]")
    teacher: Annotated[float, Field(ge=0)] = Field(1.0, description="beta, weight of the teachers' own supervision [D]")
    guidance_schedule: Literal["constant", "rise", "fall"] = Field(
        "constant", description="lambda over the epochs: as it is, from 0 to its value, or from its value to 0 [D]"
    )
    teacher_schedule: Literal["constant", "rise", "fall"] = Field(
        "constant", description="beta over the epochs, in the same way [D]"
    )
    temperature: Positive = Field(0.1, description="tau of the teacher weights [D]")
    fusion: Literal["concat", "gated", "cross_attention"] = Field(
        "concat",
        description="input of head AT: both vectors, a learned gate between their projections, or frames and tokens "
        "that attend to each other (needs 'form: frames' and 'form: tokens') [D]",
    )
    modality_dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="share of training utterances whose speech or text (by turns) is hidden from head AT [D]"
    )
    class_weights: Literal["none", "effective_number"] = Field(
        "none", description="weigh utterances by the rarity of their classes, as EMO-SUPERB [D]"
    )
    evidential: bool = Field(
        False, description="heads give a Dirichlet learned from the votes (arXiv 2402.12862); only without teachers [I]"
    )
    evidential_regularizer: Annotated[float, Field(ge=0)] = Field(
        0.01, description="weight of the punishment of misleading evidence, risen to over the first ten epochs [D]"
    )
    mc_dropout: Annotated[int, Field(ge=0, le=1000)] = Field(
        0, description="Monte-Carlo dropout: average so many predictions with dropout left on; 0: one without [D]"
    )
    agreement_gate: bool = Field(False, description="scale the guidance by 1 - JSD(p_A, p_T) / log 2 [D]")
    use_prototypes: bool = Field(
        True, description="after IPR: give the similarities to its prototypes to the heads too [D]"
    )
    freeze_speech: bool = Field(False, description="after IPR: keep its encoder as it is [D]")

    @model_validator(mode="after")
    def _objectives_fit(self) -> "Amber":
        if self.evidential and (self.guidance > 0 or self.teacher > 0):
            raise ValueError("evidential: true needs guidance: 0 and teacher: 0; a Dirichlet has no teachers here")
        if self.modality_dropout > 0 and "AT" not in self.heads():
            raise ValueError(f"modality_dropout needs head AT; the heads are {' '.join(self.heads())}")
        return self

    def heads(self) -> tuple[str, ...]:
        """The heads that are trained: the student alone, or all three when teachers guide or are supervised."""
        return ("A", "T", "AT") if self.guidance > 0 or self.teacher > 0 else (self.student,)


class Train(Section):
    """What all training stages share."""

    threads: Count = Field(
        1, description="CPU threads of one training; fixed, so that results do not depend on the machine's load"
    )
    processes: Count = Field(
        1,
        description="processes of one training on this machine, one a GPU, for encoders that learn; Slurm's are in "
        "slurm.yaml",
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto takes a GPU when there is one")
    tensorboard: bool = Field(True, description="write curves for TensorBoard beside metrics.jsonl")


class Score(Section):
    """How predictions are scored."""

    ece_bins: Annotated[int, Field(ge=2, le=100)] = Field(10, description="equal-width bins of the calibration error")
    levels: Annotated[list[float], Field(min_length=1)] = Field(
        [0.0, 0.95], description="upper entropies (bits) of the levels of ambiguity below the highest"
    )
    calibration: Literal["none", "temperature", "vector"] = Field(
        "none", description="scale log-probabilities by one number, or by one and an offset a class, fitted on dev [D]"
    )
    resamples: Annotated[int, Field(ge=100, le=1000000)] = Field(
        1000, description="resamples of the speakers behind every interval"
    )
    paired_resamples: Annotated[int, Field(ge=100, le=1000000)] = Field(
        10000, description="resamples behind comparisons: no p-value is below twice their inverse, before correction"
    )
    interval: Literal["percentile", "bca"] = Field(
        "percentile", description="percentiles of the resamples, or bias-corrected and accelerated ones"
    )


class Config(Section):
    """One experiment."""

    stages: Annotated[list[Literal[TRAINING_STAGES]], Field(min_length=1)] = Field(
        ["distill"],
        description="training stages of the experiment, in this order: prototypes update contrastive distill",
    )
    ssl: str = Field("fbank", description="speech features: conf/ssl/NAME.yaml, or the name of an s3prl upstream")
    text: str = Field("hashing", description="text features: conf/text/NAME.yaml")
    data: Data = Data()
    labels: LabelPolicy = LabelPolicy()
    speech_features: SpeechFeatures = SpeechFeatures()
    text_features: TextFeatures = TextFeatures()
    model: Model = Model()
    finetune: Finetune = Finetune()
    ipr: Ipr = Ipr()
    prototypes: Optimization = Optimization(epochs=5, select="jsd")
    update: Optimization = Optimization(epochs=5, select="jsd")
    contrastive: Optimization = Optimization(epochs=20, select="jsd")
    amber: Amber = Amber()
    distill: Optimization = Optimization(epochs=30, batch=64, patience=5, select="jsd")
    train: Train = Train()
    score: Score = Score()

    @model_validator(mode="after")
    def _stages_make_sense(self) -> "Config":
        order = [TRAINING_STAGES.index(stage) for stage in self.stages]
        if order != sorted(set(order)):
            raise ValueError(f"stages: must be in the order {' '.join(TRAINING_STAGES)}, each at most once")
        if {"update", "contrastive"} & set(self.stages) and "prototypes" not in self.stages:
            raise ValueError("stages: update and contrastive need prototypes before them")
        if self.model.pooling == "attentive" and self.speech_features.form == "pooled":
            raise ValueError("model.pooling: attentive needs frames; set speech_features.form=frames")
        if self.model.text_encoder == "finetune" and self.text_features.encoder != "huggingface":
            raise ValueError("model.text_encoder: finetune needs a pre-trained encoder; set text=bert_base_uncased")
        if self.model.encoder == "finetune" and self.speech_features.prosody:
            raise ValueError("model.encoder: finetune hears waveforms alone; set speech_features.prosody=false")
        if self.model.text_encoder == "finetune" and self.text_features.form == "tokens":
            raise ValueError("model.text_encoder: finetune gives a vector an utterance; set text_features.form=pooled")
        forms = (self.speech_features.form, self.text_features.form)
        if self.reads_tokens() and (forms != ("frames", "tokens") or self.learns()):
            raise ValueError(
                "amber.fusion: cross_attention needs frozen encoders, speech_features.form=frames and "
                "text_features.form=tokens"
            )
        if self.train.processes > 1 and not self.learns():
            raise ValueError(
                "train.processes: heads on cached features train in one process; several are for encoders that learn "
                "(model.encoder=finetune)"
            )
        return self

    def reads_tokens(self) -> bool:
        """Whether the fusion head attends to tokens."""
        return "distill" in self.stages and "AT" in self.amber.heads() and self.amber.fusion == "cross_attention"

    def cached(self) -> tuple[bool, bool]:
        """Whether the experiment reads speech features, and text features, from stage 2."""
        return self.model.encoder == "frozen", self.needs_text() and self.model.text_encoder == "frozen"

    def learns(self) -> bool:
        """Whether a pre-trained encoder is trained."""
        return "finetune" in (self.model.encoder, self.model.text_encoder)

    def needs_text(self) -> bool:
        """Whether a head of the experiment reads text features."""
        return "distill" in self.stages and self.amber.heads() != ("A",)
