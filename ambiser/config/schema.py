"""Defines all keys of a configuration, each with its type, range, default and a one-line description.

The sections are in the modules named *_keys. A default is written there and nowhere else. To generate conf/base.yaml
from them, run `python -m ambiser.bin.write_base_config`; a test compares the two.
Origin of a choice: [P] stated in the paper, [S] stated in a third-party digest of it, [I] inferred, [D] decided here.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from ambiser.config.attribute_keys import Attributes
from ambiser.config.data_keys import LABELS, Data, LabelPolicy
from ambiser.config.feature_keys import SpeechFeatures, TextFeatures
from ambiser.config.gaussian_keys import Gaussian
from ambiser.config.ipr_keys import Ipr
from ambiser.config.model_keys import Finetune, Model
from ambiser.config.rater_keys import Raters
from ambiser.config.score_keys import Score
from ambiser.config.section import Section
from ambiser.config.target_keys import Targets
from ambiser.config.training_keys import (
    Amber,
    ContrastiveOptimization,
    DistillOptimization,
    Optimization,
    Train,
)
from ambiser.stages import TRAINING_STAGES


class Config(Section):
    """One experiment."""

    omitted_at_default: ClassVar = ("targets", "attributes", "raters")

    stages: Annotated[list[Literal[TRAINING_STAGES]], Field(min_length=1)] = Field(
        ["distill"], description="training stages of the experiment, in this order"
    )
    ssl: str = Field("fbank", description="speech features: conf/ssl/NAME.yaml, or the name of an s3prl upstream")
    text: str = Field("hashing", description="text features: conf/text/NAME.yaml")
    tune: dict[str, list[Any]] = Field(
        {},
        description="grid of values, for example {amber.guidance: [0.3, 0.5]}: each fold takes the point with the best "
        "dev score of the last training stage [D]",
    )
    data: Data = Data()
    labels: LabelPolicy = LabelPolicy()
    speech_features: SpeechFeatures = SpeechFeatures()
    text_features: TextFeatures = TextFeatures()
    model: Model = Model()
    finetune: Finetune = Finetune()
    ipr: Ipr = Ipr()
    gaussian: Gaussian = Gaussian()
    prototypes: Optimization = Optimization()
    update: Optimization = Optimization()
    contrastive: ContrastiveOptimization = ContrastiveOptimization()
    amber: Amber = Amber()
    distill: DistillOptimization = DistillOptimization()
    targets: Targets = Targets()
    attributes: Attributes = Attributes()
    raters: Raters = Raters()
    train: Train = Train()
    score: Score = Score()

    @model_validator(mode="after")
    def _labels_are_known(self) -> "Config":
        """Stage 1 checks the labels of corpus kaldi, which can declare its own."""
        used = [label for group in self.labels.classes.values() for label in group]
        unknown = [label for label in used if label not in LABELS]
        if unknown and self.data.corpus != "kaldi":
            raise ValueError(f"labels.classes: {', '.join(unknown)} is no label; the labels are {', '.join(LABELS)}")
        return self

    @model_validator(mode="after")
    def _pool_is_there(self) -> "Config":
        if self.ipr.pool and self.data.unlabelled != "pool":
            raise ValueError("ipr.pool: needs data.unlabelled: pool")
        if self.data.unlabelled == "pool" and self.data.corpus != "kaldi":
            raise ValueError(f"data.unlabelled: pool is for corpus kaldi; {self.data.corpus} lists what has no votes")
        return self

    @model_validator(mode="after")
    def _stages_fit(self) -> "Config":
        order = [TRAINING_STAGES.index(stage) for stage in self.stages]
        if order != sorted(set(order)):
            raise ValueError(f"stages: must be in the order {' '.join(TRAINING_STAGES)}, each at most once")
        if {"update", "contrastive"} & set(self.stages) and "prototypes" not in self.stages:
            raise ValueError("stages: update and contrastive need prototypes before them")
        return self

    @model_validator(mode="after")
    def _features_fit(self) -> "Config":
        speech, text = self.speech_features, self.text_features
        if self.model.pooling == "attentive" and speech.form == "pooled":
            raise ValueError("model.pooling: attentive needs frames; set speech_features.form=frames")
        if self.model.layers == "last" and (speech.form, self.model.encoder) != ("pooled", "frozen"):
            raise ValueError("model.layers: last needs speech_features.form=pooled and model.encoder=frozen")
        if self.model.text_encoder == "finetune" and text.encoder != "huggingface":
            raise ValueError("model.text_encoder: finetune needs a pre-trained encoder; set text=bert_base_uncased")
        if self.model.encoder == "finetune" and speech.prosody:
            raise ValueError("model.encoder: finetune cannot use prosody features; set speech_features.prosody=false")
        if self.model.text_encoder == "finetune" and text.form == "tokens":
            raise ValueError(
                "model.text_encoder: finetune gives one vector per utterance; set text_features.form=pooled"
            )
        if self.reads_tokens() and ((speech.form, text.form) != ("frames", "tokens") or self.learns()):
            raise ValueError(
                "amber.fusion: cross_attention needs frozen encoders, speech_features.form=frames and "
                "text_features.form=tokens"
            )
        if self.ipr.predict_by.endswith("gaussian") and (speech.form != "pooled" or self.model.encoder == "finetune"):
            raise ValueError(
                f"ipr.predict_by: {self.ipr.predict_by} needs speech_features.form=pooled and model.encoder=frozen"
            )
        if self.train.processes > 1 and not self.learns():
            raise ValueError(
                "train.processes: heads on cached features train in one process; set 1, or model.encoder=finetune"
            )
        return self

    @model_validator(mode="after")
    def _positions_fit(self) -> "Config":
        classes = [*self.labels.classes, *(["other"] if self.labels.other_votes == "extra_class" else [])]
        if self.score.positions and sorted(self.score.positions) != sorted(classes):
            raise ValueError(
                f"score.positions: must have the classes {', '.join(classes)}; got {', '.join(self.score.positions)}"
            )
        return self

    @model_validator(mode="after")
    def _raters_fit(self) -> "Config":
        if self.raters.model != "none" and "distill" in self.stages:
            if self.amber.evidential:
                raise ValueError(f"raters.model: {self.raters.model} needs amber.evidential: false")
            if self.train.processes > 1:
                raise ValueError(f"raters.model: {self.raters.model} trains in one process; set train.processes: 1")
        return self

    @model_validator(mode="after")
    def _attributes_fit(self) -> "Config":
        learned = self.attributes.weight > 0 and "distill" in self.stages
        if learned and (self.amber.evidential or self.raters.model != "none"):
            raise ValueError("attributes.weight: needs amber.evidential: false and raters.model: none")
        selected = [stage for stage in self.stages if getattr(self, stage).select == "ccc"]
        if selected and (selected != ["distill"] or not learned):
            raise ValueError(f"{selected[0]}.select: ccc is for stage distill with attributes.weight above 0")
        return self

    @model_validator(mode="after")
    def _targets_fit(self) -> "Config":
        targets, labels = self.targets, self.labels
        if targets.other_class and "distill" in self.stages:
            if labels.other_votes == "extra_class" or "other" in labels.classes:
                raise ValueError("targets.other_class: the labels have a class 'other'; set targets.other_class: false")
            if "prototypes" in self.stages or self.raters.model != "none":
                raise ValueError("targets.other_class: needs stages: [distill] and raters.model: none")
        if targets.smoothing_toward == "confusion" and labels.smoothing == 0:
            raise ValueError("targets.smoothing_toward: confusion needs labels.smoothing above 0")
        if self.amber.evidential and targets.logit_adjustment > 0:
            raise ValueError("targets.logit_adjustment: needs amber.evidential: false, whose heads have no logits")
        return self

    def learned_labels(self) -> LabelPolicy:
        """Returns how votes become training targets: as for scores, but for the keys of `targets`."""
        changes: dict[str, object] = {}
        if "distill" in self.stages and self.targets.secondary_weight > 0:
            changes["secondary_weight"] = self.targets.secondary_weight
        if "distill" in self.stages and self.targets.other_class:
            changes |= {"other_votes": "extra_class", "other_majority": "keep"}
        return self.labels.model_copy(update=changes) if changes else self.labels

    def reads_tokens(self) -> bool:
        """Whether the fusion head attends to tokens."""
        return "distill" in self.stages and "AT" in self.amber.heads() and self.amber.fusion == "cross_attention"

    def cached(self) -> tuple[bool, bool]:
        """Whether the experiment reads cached speech features, and cached text features, of stage 2."""
        return self.model.encoder == "frozen", self.needs_text() and self.model.text_encoder == "frozen"

    def pooled_features(self) -> str:
        """Returns how pooled speech features are read: memory, mapped or auto."""
        # Gaussian prototypes are fitted to all features at once.
        return "memory" if self.ipr.predict_by.endswith("gaussian") else self.train.pooled_features

    def learns(self) -> bool:
        """Whether a pre-trained encoder is fine-tuned."""
        return "finetune" in (self.model.encoder, self.model.text_encoder)

    def needs_text(self) -> bool:
        """Whether a head of the experiment reads text features."""
        return "distill" in self.stages and self.amber.heads() != ("A",)
