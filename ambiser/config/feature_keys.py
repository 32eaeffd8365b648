"""The keys of speech and text features; see `schema`."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ambiser.config.data_keys import Section


class SpeechFeatures(Section):
    """Speech features, normally from conf/ssl/NAME.yaml."""

    upstream: str = Field(
        "fbank_no_cmvn", description="name of an s3prl upstream, or huggingface: the model that 'checkpoint' holds"
    )
    checkpoint: str = Field(
        "", description="file or folder for upstreams that end in _local or _custom; for huggingface also a name"
    )
    form: Literal["pooled", "frames", "frames_all"] = Field(
        "pooled", description="a vector per layer and utterance, one layer at frame rate, or all layers at frame rate"
    )
    statistics: Literal["mean", "mean_std"] = Field("mean", description="what is pooled over time, for every layer")
    layer: int = Field(-1, description="the layer kept with 'form: frames'; -1 is the last")
    layer_weights: list[Annotated[float, Field(ge=0)]] = Field(
        [], description="with 'form: frames': keep a sum of all layers, weighted so (scaled to sum 1); empty: 'layer'"
    )
    prosody: bool = Field(
        False, description="with 'form: pooled': loudness, pitch, voicing and rate beside every layer [D]"
    )
    storage: Literal["exact", "half"] = Field(
        "exact", description="float32, or Kaldi's two bytes a value (CM2); the error is measured and logged"
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="bfloat16: matrix products in half the bits, faster; the log says how near it stays"
    )
    batch_s: Literal["auto"] | Annotated[float, Field(ge=0, le=3600)] = Field(
        "auto",
        description="seconds of audio in a batch, with padding: it bounds the memory; 0 is one utterance at a time, "
        "which is fastest on a CPU; auto: 120 on a GPU, else 0 [D]",
    )
    longest_s: Annotated[float, Field(ge=10, le=600)] = Field(
        60, description="longer audio goes through a self-supervised model in chunks that overlap by 4 s [D]"
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
    """Text features, normally from conf/text/NAME.yaml."""

    encoder: Literal["hashing", "huggingface"] = Field(
        "hashing", description="hashed word n-grams (offline), or a pre-trained encoder"
    )
    model: str = Field("", description="for huggingface: a name or a folder")
    form: Literal["pooled", "tokens"] = Field(
        "pooled", description="a vector per utterance, or one per token (huggingface) or word (hashing)"
    )
    pooling: Literal["mean", "cls"] = Field(
        "mean", description="for huggingface, pooled: mean over tokens, or the first token"
    )
    layer: int = Field(
        -1, description="for huggingface: the hidden states that are kept; 0 is the embeddings, -1 the last layer"
    )
    transcripts: str = Field(
        "", description="a table 'utt words' in place of the corpus's transcripts, such as hypotheses of a recognizer"
    )
    dim: Annotated[int, Field(ge=8, le=2**20)] = Field(256, description="for hashing: number of features")
    ngram: Annotated[int, Field(ge=1, le=5)] = Field(2, description="for hashing: longest word n-gram")
