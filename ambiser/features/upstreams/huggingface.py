"""Speech models of Hugging Face under s3prl's interface; the model type decides what is loaded."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from ambiser.errors import ConfigError, first_line
from ambiser.io.audio import SAMPLE_RATE_HZ

MODEL_TYPES = ("wav2vec2", "hubert", "wavlm", "data2vec-audio", "whisper")


class ConvolutionalSpeech(nn.Module):
    """wav2vec 2.0 and its relatives: waveforms in, all hidden states out."""

    def __init__(self, model: nn.Module, extractor: object) -> None:
        super().__init__()
        self.model, self._extractor = model, extractor

    def forward(self, wavs: Sequence[torch.Tensor]) -> dict[str, tuple[torch.Tensor, ...]]:
        """Returns the hidden states of a batch, each (B, T, D).

        Args:
            wavs: B waveforms, (samples,) at 16 kHz.
        """
        inputs = self._extractor(
            [wav.cpu().numpy() for wav in wavs],
            sampling_rate=SAMPLE_RATE_HZ,
            padding=True,
            return_attention_mask=True,
            return_tensors="pt",
        )
        outputs = self.model(**inputs.to(self.model.device), output_hidden_states=True)
        return {"hidden_states": outputs.hidden_states}


class WhisperSpeech(nn.Module):
    """The encoder of Whisper, which always hears 30 seconds: what is shorter is padded, and the padding's frames go.

    Attributes:
        windows: counts frames; it is the module itself, as padding is the same for a batch and for one utterance.
        hop: samples from one frame to the next.
        longest_samples: most samples that it hears at once.
    """

    def __init__(self, model: nn.Module, extractor: object) -> None:
        super().__init__()
        self._encoder, self._extractor = model.get_encoder(), extractor
        self.hop = 2 * extractor.hop_length
        self.longest_samples = extractor.n_samples

    @property
    def windows(self) -> "WhisperSpeech":
        """What `Upstream` asks for frames."""
        return self

    def frames(self, samples: int) -> int:
        """Returns how many frames lie in so many samples; the last one may be half full."""
        return -(-(samples // self._extractor.hop_length) // 2)

    def lengths(self, samples: Sequence[int]) -> contextlib.AbstractContextManager:
        """Does nothing: every utterance is padded to the same length, alone or in a batch."""
        return contextlib.nullcontext()

    def forward(self, wavs: Sequence[torch.Tensor]) -> dict[str, tuple[torch.Tensor, ...]]:
        """Returns the hidden states of a batch, each (B, T, D).

        Args:
            wavs: B waveforms, (samples,) at 16 kHz.
        """
        arrays = [wav.cpu().numpy() for wav in wavs]
        inputs = self._extractor(arrays, sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt").input_features
        outputs = self._encoder(inputs.to(self._encoder.device), output_hidden_states=True)
        frames = max(self.frames(len(wav)) for wav in wavs)
        return {"hidden_states": tuple(states[:, :frames] for states in outputs.hidden_states)}


def load_hugging_face(checkpoint: str) -> nn.Module:
    """Loads a speech model by its model type; no code that comes with it is run.

    Args:
        checkpoint: a folder, or the name of a model in the cache or on the hub of Hugging Face.

    Raises:
        ConfigError: it is no speech model that is known here, lacks weights or its feature extractor, wants audio at
            another rate, or is neither here nor to be fetched.
    """
    from transformers import AutoConfig, AutoFeatureExtractor, AutoModel

    fault: Exception | None = None
    for local in (True,) if Path(checkpoint).is_dir() else (True, False):
        options = {"local_files_only": local, "trust_remote_code": False}
        try:
            kind = AutoConfig.from_pretrained(checkpoint, **options).model_type
            if kind not in MODEL_TYPES:
                known = ", ".join(MODEL_TYPES)
                raise ConfigError(f"speech_features.checkpoint: {checkpoint} holds a {kind} model; known are {known}")
            extractor = AutoFeatureExtractor.from_pretrained(checkpoint, **options)
            model, info = AutoModel.from_pretrained(checkpoint, output_loading_info=True, **options)
        except (OSError, ValueError) as error:
            fault = error
            continue
        _check(checkpoint, kind, info["missing_keys"], extractor)
        return WhisperSpeech(model, extractor) if kind == "whisper" else ConvolutionalSpeech(model, extractor)
    absent = "is no folder, not in the cache of Hugging Face, and could not be fetched"
    how = "cannot be loaded" if Path(checkpoint).is_dir() else absent
    raise ConfigError(f"speech_features.checkpoint: {checkpoint} {how} ({first_line(fault)})") from fault


def _check(checkpoint: str, kind: str, missing: Sequence[str], extractor: object) -> None:
    # The first only masks in training; of Whisper the decoder is not used.
    missing = sorted(key for key in missing if key != "masked_spec_embed" and not key.startswith("decoder."))
    if missing:
        raise ConfigError(
            f"speech_features.checkpoint: {checkpoint} lacks {len(missing)} weights of the model, such as "
            f"{missing[0]}; they would stay random"
        )
    if extractor.sampling_rate != SAMPLE_RATE_HZ:
        raise ConfigError(
            f"speech_features.checkpoint: {checkpoint} wants audio at {extractor.sampling_rate} Hz; here it has "
            f"{SAMPLE_RATE_HZ} Hz"
        )
