"""Loads a packed model and predicts; torch is imported on the first prediction."""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from ambiser.config import Config, read_yaml
from ambiser.errors import DataError
from ambiser.inference.features import FeatureMaker
from ambiser.inference.model_folder import Member, ModelRecord, find_model, model_id, read_record
from ambiser.inference.networks import Network, Output, load_network, run_network
from ambiser.inference.recordings import to_mono_16k
from ambiser.inference.utterance_prediction import UtterancePrediction
from ambiser.labels.entropy import entropy_bits
from ambiser.scoring.utterance_scores import jsd_bits


def load_model(
    folder: str | Path, *, upstream: str | Path | None = None, text_upstream: str | Path | None = None
) -> "PackedModel":
    """Loads a model that `ambiser pack` made, after checking the SHA-256 of its files.

    Args:
        folder: the folder of the model, or the name of a model that comes with the package.
        upstream: file or folder with the weights of the speech encoder; None takes the name in the model's
            configuration, from the cache or the network.
        text_upstream: the same for the text encoder.

    Raises:
        DataError: the folder is no model, is of a newer format, lacks a file, or a file was changed.
    """
    path = find_model(folder)
    return PackedModel(path, read_record(path), _path(upstream), _path(text_upstream))


class PackedModel:
    """A packed model: the networks of several folds and seeds, whose mean is the prediction.

    Attributes:
        name: of the model.
        id: the name with a digest of the model's record.
        classes: C names, in the order of every distribution.
        uses_text: whether a head reads text.
        reads_text: whether the distribution depends on text.
    """

    def __init__(
        self, folder: Path, record: ModelRecord, upstream: Path | None = None, text_upstream: Path | None = None
    ) -> None:
        self.name, self.id, self.classes = record.name, model_id(folder, record), tuple(record.classes)
        self._folder, self._record = folder, record
        names = dict.fromkeys(member.config for member in record.members)  # folds share one
        configs = {name: read_config(folder / name) for name in names}
        self._configs = configs
        self._first = configs[record.members[0].config]
        self.uses_text = any(config.needs_text() for config in configs.values())
        self.reads_text = self.uses_text and any(config.amber.student != "A" for config in configs.values())
        self._features = FeatureMaker(
            self._first,
            encoders=(record.speech, record.text),
            folders=(upstream, text_upstream),
        )

    def predict(self, wav: np.ndarray, sample_rate_hz: int, text: str | None = None) -> UtterancePrediction:
        """Predicts one utterance.

        Args:
            wav: (samples,), or (samples, channels), which are averaged; float in [-1, 1], or integers.
            sample_rate_hz: its rate; other rates than 16 kHz are resampled.
            text: its words; "" for an utterance without words; ignored by a model that reads no text.

        Raises:
            DataError: the waveform is empty, has values that are not finite, or the upstream cannot take it; or the
                model reads text and there is none.
            ConfigError: the weights of an encoder cannot be found, or are other ones than in training.
        """
        mono = to_mono_16k(wav, sample_rate_hz)
        if text is None and self.reads_text:
            raise DataError(f"{self.name} reads text: give the words of the utterance, or '' for one without words")
        (made,) = self.predict_features([self.speech_features(mono)], [self.text_features(text or "")])
        return replace(made, notes=self.notes(mono))

    def speech_features(self, wav: np.ndarray) -> np.ndarray:
        """Returns the features of a mono waveform (samples,) at 16 kHz; for a fine-tuned encoder the waveform."""
        return self._features.speech(wav)

    def text_features(self, words: str) -> np.ndarray | None:
        """Returns the features of a text, (1, Dt) or (tokens, Dt), or its tokens (K,); None for a model without."""
        return self._features.text(words) if self.uses_text else None

    def notes(self, wav: np.ndarray) -> tuple[str, ...]:
        """Returns remarks on a mono waveform (samples,) at 16 kHz, such as "silent"."""
        return self._features.notes(wav)

    def predict_features(
        self, speech: Sequence[np.ndarray], texts: Sequence[np.ndarray | None]
    ) -> list[UtterancePrediction]:
        """Predicts N utterances from their features (`speech_features`, `text_features`)."""
        # Draws of dropout must not depend on which utterances are predicted together.
        step = 1 if self._first.amber.mc_dropout else max(len(speech), 1)
        chunks = [slice(start, start + step) for start in range(0, len(speech), step)]
        return [one for chunk in chunks for one in self._predict(speech[chunk], texts[chunk])]

    def _predict(self, speech: Sequence[np.ndarray], texts: Sequence[np.ndarray | None]) -> list[UtterancePrediction]:
        from ambiser.features.upstreams.forward import untouched_generators

        with untouched_generators():  # networks are built with random weights first
            outputs = [run_network(network, speech, texts) for network in self._each_network()]
        probs = np.stack([output.probs for output in outputs])  # (M, N, C)
        mean = probs.mean(axis=0)  # (N, C)
        information = entropy_bits(mean) - np.mean([entropy_bits(one) for one in probs], axis=0)  # (N,)
        divergences = _head_divergences(outputs)
        each = [output.cosines for output in outputs if output.cosines is not None]
        cosines = np.mean(each, axis=0) if each else None  # (N, C)
        sets = [output.sets for output in outputs if output.sets is not None]
        held = np.mean(sets, axis=0) > 0.5 if sets else None  # (N, C)
        return [
            UtterancePrediction(
                distribution=dict(zip(self.classes, map(float, mean[row]), strict=True)),
                member_information_bits=max(float(information[row]), 0.0),
                head_jsd_bits={pair: float(values[row]) for pair, values in divergences.items()},
                prototype_similarity={} if cosines is None else _nearest_first(self.classes, cosines[row]),
                prediction_set=() if held is None else _most_probable_first(self.classes, mean[row], held[row]),
            )
            for row in range(len(mean))
        ]

    def _each_network(self) -> Iterable[Network]:
        """Returns the networks; those with a fine-tuned encoder one at a time, since each is as large as it."""
        return map(self._load, self._record.members) if self._first.learns() else self._networks

    @functools.cached_property
    def _networks(self) -> list[Network]:
        return [self._load(member) for member in self._record.members]

    def _load(self, member: Member) -> Network:
        config, record = self._features.localize(self._configs[member.config]), self._record
        return load_network(self._folder, member, config, classes=record.classes, stage=record.stage)


def _head_divergences(outputs: Sequence[Output]) -> dict[str, np.ndarray]:
    """Returns (N,) divergences in bits between the mean distributions of each pair of heads."""
    means = {head: np.mean([output.heads[head] for output in outputs], axis=0) for head in outputs[0].heads}
    names = list(means)
    pairs = [(one, other) for place, one in enumerate(names) for other in names[place + 1 :]]
    return {f"{one}_{other}": np.maximum(jsd_bits(means[one], means[other]), 0) for one, other in pairs}


def _most_probable_first(classes: Sequence[str], probs: np.ndarray, held: np.ndarray) -> tuple[str, ...]:
    """Returns the classes that most networks hold in their sets, and always the most probable one."""
    order = np.argsort(-probs, kind="stable")
    return tuple(classes[i] for place, i in enumerate(order) if held[i] or place == 0)


def _nearest_first(classes: Sequence[str], cosines: np.ndarray) -> dict[str, float]:
    return {classes[i]: float(np.clip(cosines[i], -1, 1)) for i in np.argsort(-cosines, kind="stable")}


def read_config(path: Path) -> Config:
    """Reads a resolved configuration.

    Raises:
        ConfigError: the file is missing or is not YAML.
        DataError: it has keys or values that this version does not know.
    """
    try:
        return Config.model_validate(read_yaml(path)[0])
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise DataError(
            f"{path}: {key}: {first['msg']}; another version of ambiser wrote it: update ambiser"
        ) from error


def _path(value: str | Path | None) -> Path | None:
    if value is None:
        return None
    if not Path(value).exists():
        raise DataError(f"{value}: does not exist; name the file or folder with the weights of the encoder")
    return Path(value)
