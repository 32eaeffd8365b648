"""Defines the keys of the network and of fine-tuning the pre-trained encoders; see `schema`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ambiser.config.section import Count, Positive, Section


class Model(Section):
    """The network; all methods on the same features use the same one."""

    omitted_at_default: ClassVar = ("layers",)

    hidden: Count = Field(256, description="hidden layer size [D]")
    layers: Literal["mix", "last"] = Field(
        "mix", description="with 'form: pooled': learned mix of all layers [D], or the last layer alone [I: AmbER²]"
    )
    pooling: Literal["mean", "attentive"] = Field(
        "mean", description="pooling over time with 'form: frames': mean, or attentive mean and standard deviation [D]"
    )
    head: Literal["mlp", "linear"] = Field(
        "mlp", description="linear - ReLU - dropout - linear, or SUPERB's linear - linear"
    )
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(0.3, description="dropout after the hidden layer [D]")
    projection: Count = Field(128, description="size of the embedding that is compared with the prototypes [D]")
    standardize: bool = Field(True, description="standardize features by mean and deviation of the training part")
    encoder: Literal["frozen", "finetune"] = Field(
        "frozen", description="speech encoder: cached features, or fine-tuned from waveforms [P: IPR]"
    )
    text_encoder: Literal["frozen", "finetune"] = Field(
        "frozen", description="text encoder: cached features, or the fine-tuned Hugging Face encoder [D]"
    )


class Finetune(Section):
    """Fine-tuning of the pre-trained encoders (model.encoder: finetune, model.text_encoder: finetune)."""

    learning_rate: Positive = Field(
        1e-5, description="peak learning rate of the encoders; the heads use the stage's learning rate [D]"
    )
    layer_decay: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="learning rate of a layer divided by that of the layer above [D]"
    )
    freeze_convolutions: bool = Field(True, description="freeze the convolutions below the transformer layers [D]")
    checkpointing: bool = Field(
        False, description="gradient checkpointing: recompute layers in the backward pass; less memory, more time"
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="precision of the encoders' computation; weights and heads stay in float32"
    )
    longest_s: Positive = Field(
        10.0, description="longer training utterances: a random crop of this length (s) at each step [D]"
    )
    gain_db: Annotated[float, Field(ge=0, le=60)] = Field(
        6.0, description="views of IPR: maximum random gain of the waveform, up or down, in dB [D]"
    )
