"""Loads speech models of Hugging Face under s3prl's interface; the model type selects the class."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from ambiser.config.feature_keys import FULL_WINDOW_S
from ambiser.errors import ConfigError, first_line
from ambiser.features.upstreams.weights import find_hugging_face, reach_hub
from ambiser.features.upstreams.whisper import WhisperSpeech
from ambiser.features.upstreams.whisper_encoder import LogMel, WhisperEncoder, read_whisper, take_encoder
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


def load_hugging_face(checkpoint: str, window_s: float = FULL_WINDOW_S) -> nn.Module:
    """Loads a speech model by its model type; runs no code that comes with it.

    Args:
        checkpoint: a folder, or the name of a model in the cache or on the hub of Hugging Face.
        window_s: for Whisper, see `WhisperSpeech`.

    Raises:
        ConfigError: the model type is unknown, weights or the feature extractor are missing, the model needs audio at
            another rate, it cannot be fetched, or the window is set for a model that has none.
    """
    if (parts := _read_whisper(checkpoint)) is not None:
        return WhisperSpeech(*parts, window_s)
    from transformers import AutoConfig, AutoFeatureExtractor, AutoModel

    is_folder = Path(checkpoint).is_dir()
    # Without the file transformers guesses the model type from the name of the folder.
    if is_folder and not (Path(checkpoint) / "config.json").is_file():
        raise ConfigError(
            f"speech_features.checkpoint: {checkpoint} is not a Hugging Face folder; it has no config.json"
        )
    fault: Exception | None = None
    for local in (True,) if is_folder else (True, False):
        options = {"local_files_only": local, "trust_remote_code": False}
        try:
            if not local:
                reach_hub(checkpoint)
            kind = AutoConfig.from_pretrained(checkpoint, **options).model_type
            _check_kind(checkpoint, kind, window_s)
            extractor = AutoFeatureExtractor.from_pretrained(checkpoint, **options)
            model, info = AutoModel.from_pretrained(checkpoint, output_loading_info=True, **options)
        except (OSError, ValueError) as error:
            fault = error
            continue
        _check_weights(checkpoint, info["missing_keys"])
        _check_rate(checkpoint, extractor)
        if kind == "whisper":
            return WhisperSpeech(*take_encoder(model, extractor), window_s)
        return ConvolutionalSpeech(model, extractor)
    raise ConfigError(f"speech_features.checkpoint: {checkpoint} {_describe_fault(checkpoint, fault)}") from fault


def _read_whisper(checkpoint: str) -> tuple[WhisperEncoder, LogMel] | None:
    """Reads a Whisper in a folder or in the cache without transformers; None if that is not possible."""
    folder = Path(checkpoint)
    if not folder.is_dir():
        try:
            weights = find_hugging_face(checkpoint)
        except ValueError:  # no name of a model
            return None
        if weights is None:
            return None
        folder = weights.parent
    return read_whisper(folder)


def _describe_fault(checkpoint: str, fault: Exception) -> str:
    """Returns why a model could not be loaded, and what to do."""
    folder = Path(checkpoint)
    if not folder.is_dir():
        return f"is not a folder, not in the cache of Hugging Face, and cannot be downloaded ({first_line(fault)})"
    if not (folder / "preprocessor_config.json").is_file():
        return "has no feature extractor (preprocessor_config.json); copy it from where the model came from"
    return f"cannot be loaded ({first_line(fault)})"


def _check_kind(checkpoint: str, kind: str, window_s: float) -> None:
    if kind not in MODEL_TYPES:
        known = ", ".join(MODEL_TYPES)
        raise ConfigError(f"speech_features.checkpoint: {checkpoint} holds a {kind} model; supported: {known}")
    if kind != "whisper":
        check_window(f"{checkpoint} holds a {kind} model", window_s)


def check_window(reason: str, window_s: float) -> None:
    """Checks that the window of a model that has none is the default.

    Raises:
        ConfigError: it is shorter.
    """
    if window_s != FULL_WINDOW_S:
        raise ConfigError(f"speech_features.window: only Whisper has a window, {reason}; leave it at {FULL_WINDOW_S:g}")


def _check_weights(checkpoint: str, missing: Sequence[str]) -> None:
    # The first only masks in training; the decoder of Whisper is not used.
    missing = sorted(key for key in missing if key != "masked_spec_embed" and not key.startswith("decoder."))
    if missing:
        raise ConfigError(
            f"speech_features.checkpoint: {checkpoint} lacks {len(missing)} weights of the model, such as "
            f"{missing[0]}; they would stay random"
        )


def _check_rate(checkpoint: str, extractor: object) -> None:
    if extractor.sampling_rate != SAMPLE_RATE_HZ:
        raise ConfigError(
            f"speech_features.checkpoint: {checkpoint} needs audio at {extractor.sampling_rate} Hz, ambiser reads all "
            f"audio at {SAMPLE_RATE_HZ} Hz; use another model"
        )
