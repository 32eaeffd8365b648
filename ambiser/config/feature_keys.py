"""Defines the keys of speech and text features; see `schema`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from ambiser.config.section import Section

FULL_WINDOW_S = 30.0
"""The window that Whisper was trained on."""


class SpeechFeatures(Section):
    """Speech features, usually from conf/ssl/NAME.yaml."""

    omitted_at_default: ClassVar = ("window",)

    upstream: str = Field(
        "fbank_no_cmvn", description="name of an s3prl upstream, or huggingface for the model in 'checkpoint'"
    )
    checkpoint: str = Field(
        "", description="file or folder, for upstreams ending in _local or _custom; for huggingface also a model name"
    )
    form: Literal["pooled", "frames", "frames_all"] = Field(
        "pooled", description="one vector per layer and utterance, one layer at frame rate, or all layers at frame rate"
    )
    statistics: Literal["mean", "mean_std"] = Field("mean", description="statistics over time, per layer")
    layer: int = Field(-1, description="layer to keep with 'form: frames'; -1 is the last")
    layer_weights: list[Annotated[float, Field(ge=0)]] = Field(
        [],
        description="with 'form: frames': keep the sum of all layers with these weights (scaled to sum 1); empty: keep "
        "'layer'",
    )
    prosody: bool = Field(
        False, description="with 'form: pooled': append loudness, pitch, voicing and speaking rate to every layer [D]"
    )
    storage: Literal["exact", "half"] = Field(
        "exact", description="float32, or 2 bytes per value (Kaldi's CM2), with the error in the log"
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="precision of matrix products; bfloat16 is faster, with the difference in the log"
    )
    batch_s: Literal["auto"] | Annotated[float, Field(ge=0, le=3600)] = Field(
        "auto",
        description="seconds of audio per batch, with padding; bounds the memory. 0: one utterance at a time, fastest "
        "on a CPU; auto: 120 on a GPU, else 0 [D]",
    )
    longest_s: Annotated[float, Field(ge=10, le=600)] = Field(
        60, description="longest input (s) of a self-supervised model; longer audio is cut into chunks, 4 s overlap [D]"
    )
    window: Annotated[float, Field(ge=0.5, le=FULL_WINDOW_S)] = Field(
        FULL_WINDOW_S,
        description="for Whisper: pad audio to a multiple of this (s), at most to 30 s, as in its training; shorter "
        "windows are faster and change the features slightly [D]",
    )

    @model_validator(mode="after")
    def _keys_fit_the_form(self) -> "SpeechFeatures":
        if self.layer_weights and self.form != "frames":
            raise ValueError(f"layer_weights goes with form: frames, not {self.form}")
        if self.layer_weights and not sum(self.layer_weights) > 0:
            raise ValueError("layer_weights must hold a weight above 0")
        if self.prosody and self.form != "pooled":
            raise ValueError(f"prosody goes with form: pooled, not {self.form}")
        return self


class TextFeatures(Section):
    """Text features, usually from conf/text/NAME.yaml."""

    encoder: Literal["hashing", "huggingface"] = Field(
        "hashing", description="hashed word n-grams (no download), or a pre-trained encoder"
    )
    model: str = Field("", description="name or folder of the encoder, for huggingface")
    form: Literal["pooled", "tokens"] = Field(
        "pooled", description="one vector per utterance, or one per token (huggingface) or word (hashing)"
    )
    pooling: Literal["mean", "cls"] = Field(
        "mean", description="pooling, for huggingface with 'form: pooled': mean over tokens, or the first token"
    )
    layer: int = Field(-1, description="hidden states to keep, for huggingface: 0 is the embeddings, -1 the last layer")
    transcripts: str = Field(
        "", description="table 'utt words' that replaces the corpus's transcripts, such as ASR hypotheses"
    )
    dim: Annotated[int, Field(ge=8, le=2**20)] = Field(256, description="number of features, for hashing")
    ngram: Annotated[int, Field(ge=1, le=5)] = Field(2, description="longest word n-gram, for hashing")
