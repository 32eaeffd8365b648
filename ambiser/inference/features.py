"""Computes the features of new recordings and texts with the code of stage 2."""

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ambiser.config import Config
from ambiser.config.schema import SpeechFeatures, TextFeatures
from ambiser.errors import ConfigError
from ambiser.features.extraction.fingerprints import file_digest
from ambiser.features.upstreams.upstream_names import HUGGING_FACE
from ambiser.features.upstreams.weights import find_hugging_face, find_weights
from ambiser.inference.model_folder import Encoder
from ambiser.inference.probe import agree, probe_speech, probe_text
from ambiser.io.console import log
from ambiser.io.files import digest

_ONE_FILE = ("model.safetensors", "pytorch_model.bin")


class FeatureMaker:
    """Computes the inputs of a model's networks; loads each encoder when it is first needed.

    A network with a fine-tuned encoder takes waveforms and tokens; the encoder's own weights are in the network.

    Args:
        config: of the model: how features are made, and which encoders are fine-tuned.
        encoders: the expected weights of both.
        folders: where the weights of both are on this machine; None takes the name in the configuration.
    """

    def __init__(
        self,
        config: Config,
        *,
        encoders: tuple[Encoder, Encoder | None],
        folders: tuple[Path | None, Path | None] = (None, None),
    ) -> None:
        self._expected = encoders
        self._speech, self._text = config.speech_features, config.text_features
        self._trains = config.model.encoder == "finetune", config.model.text_encoder == "finetune"
        if folders[0] is not None:
            self._speech = self._speech.model_copy(update={"checkpoint": str(folders[0])})
        if folders[1] is not None:
            self._text = self._text.model_copy(update={"model": str(folders[1])})

    def localize(self, config: Config) -> Config:
        """Returns a configuration with the encoders and the device of this machine."""
        train = config.train.model_copy(update={"device": "auto"})
        return config.model_copy(update={"speech_features": self._speech, "text_features": self._text, "train": train})

    def speech(self, wav: np.ndarray) -> np.ndarray:
        """Returns the features of a waveform (samples,) at 16 kHz, as stage 2 stores them, or the waveform itself.

        Raises:
            DataError: the upstream cannot take this audio.
            ConfigError: the upstream cannot be loaded, or its weights are not those of the training.
        """
        from ambiser.features.extraction.shard_work import feature_matrices
        from ambiser.features.upstreams.pooling import append_prosody

        upstream = self._upstream
        if self._trains[0]:
            return wav
        (matrix,) = feature_matrices([wav], upstream, self._speech)
        return append_prosody(matrix, wav) if self._speech.prosody else matrix

    def text(self, words: str) -> np.ndarray:
        """Returns the features of a text, (1, Dt) or (tokens, Dt), zeros without words; or its tokens (K,).

        Raises:
            ConfigError: the encoder cannot be loaded, or its weights are not those of the training.
        """
        encode, dim = self._encoder
        if self._trains[1]:
            to_tokens, _ = self._tokenizer
            return np.array(to_tokens(words), np.int64)
        words = words.strip()
        return encode(words) if words else np.zeros((1, dim), np.float32)

    def notes(self, wav: np.ndarray) -> tuple[str, ...]:
        """Returns remarks on a waveform (samples,) at 16 kHz; loads the upstream."""
        from ambiser.features.extraction.shard_work import waveform_notes

        return tuple(waveform_notes(wav, self._upstream))

    @functools.cached_property
    def _upstream(self) -> object:
        from ambiser.features.upstreams.device import find_device
        from ambiser.features.upstreams.upstream import load_upstream

        speech = self._speech
        try:
            upstream = load_upstream(speech, find_device())
        except ConfigError as error:
            raise ConfigError(f"{error}; or name a folder with the weights: --upstream FOLDER") from error
        weights = find_weights(speech.upstream, speech.checkpoint)
        _check_weights(weights, self._expected[0], "--upstream", lambda: probe_speech(upstream, speech))
        return upstream

    @functools.cached_property
    def _encoder(self) -> tuple[object, int]:
        from ambiser.features.upstreams.text_encoders import ENCODERS

        text = self._text
        try:
            made = ENCODERS[text.encoder](text)
        except ConfigError as error:
            raise ConfigError(f"{error}; or name a folder with the weights: --text_upstream FOLDER") from error
        _check_weights(text_weights(text), self._expected[1], "--text_upstream", lambda: probe_text(made[0]))
        return made

    @functools.cached_property
    def _tokenizer(self) -> tuple[Callable[[str], list[int]], int]:
        from ambiser.features.upstreams.text_encoders import make_tokenizer

        return make_tokenizer(self._text)


def describe_speech_encoder(speech: SpeechFeatures, weights: Path | None, name: str) -> Encoder:
    """Returns name, digest and probe of a speech encoder; only the name where its weights are not on this machine."""
    if weights is None:
        return Encoder(name, "")
    from ambiser.features.upstreams.upstream import load_upstream

    here = speech.model_copy(update={"checkpoint": str(weights)}) if speech.checkpoint else speech
    return Encoder(name, weights_sha256(weights), probe_speech(load_upstream(here), here))


def describe_text_encoder(text: TextFeatures, weights: Path | None, name: str) -> Encoder:
    """Returns name, digest and probe of a text encoder; only the name where its weights are not on this machine."""
    if weights is None:
        return Encoder(name, "")
    from ambiser.features.upstreams.text_encoders import ENCODERS

    encode, _ = ENCODERS[text.encoder](text.model_copy(update={"model": str(weights)}))
    return Encoder(name, weights_sha256(weights), probe_text(encode))


def speech_weights(speech: SpeechFeatures) -> Path | None:
    """Returns the file or folder of the speech encoder's weights on this machine, or None."""
    return find_weights(speech.upstream, speech.checkpoint)


def text_weights(text: TextFeatures) -> Path | None:
    """Returns the file or folder of the text encoder's weights on this machine, or None."""
    if text.encoder != HUGGING_FACE:
        return None
    return Path(text.model) if Path(text.model).exists() else find_hugging_face(text.model)


def weights_sha256(path: Path) -> str:
    """Returns the SHA-256 of a file of weights, or of the weights in a folder of Hugging Face; "" without any."""
    if path.is_file():
        return file_digest(path)
    for name in _ONE_FILE:
        if (path / name).is_file():
            return file_digest(path / name)
    shards = sorted(path.glob("*.safetensors"))
    return digest(*map(file_digest, shards)) if shards else ""


def _check_weights(
    weights: Path | None, expected: Encoder | None, option: str, probe: Callable[[], list[float]]
) -> None:
    """Refuses weights other than those of the training; the same ones in another file or precision are accepted."""
    if weights is None or expected is None or not expected.sha256:
        return
    found = weights_sha256(weights)
    if found == expected.sha256:
        return
    if agree(probe(), expected.probe):
        log.info("%s: another file of the weights of the training; features agree", weights)
        return
    raise ConfigError(
        f"{weights}: holds other weights than {expected.weights or 'those'} of the training (SHA-256 "
        f"{found[:12]}..., not {expected.sha256[:12]}..., and other features); get those, and name their folder with "
        f"{option}"
    )
