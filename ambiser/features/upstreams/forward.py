"""Runs a loaded speech model on one utterance, a batch, or a long recording in chunks."""

import contextlib
import random
import warnings
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import psutil
import torch

from ambiser.config.schema import SpeechFeatures
from ambiser.errors import ConfigError, DataError, first_line
from ambiser.features.upstreams.batching import ExactBatches, is_known
from ambiser.features.upstreams.chunks import OVERLAP_S, cut, join
from ambiser.io.audio import SAMPLE_RATE_HZ

# Candidates for the shortest input of a model: 25 ms, 50 ms, ..., 1.6 s.
_SHORTEST_SAMPLES = (400, 800, 1600, 3200, 6400, 12800, 25600)
# The batch that is compared with its utterances one at a time, and the largest difference allowed.
_COMPARED_SAMPLES = (20011, 5000, 32300)
_TOLERANCE = 1e-4
_FAULTS = (RuntimeError, AssertionError, ValueError, IndexError)


class Upstream:
    """A speech model that turns audio into hidden states.

    Attributes:
        name: its name in the configuration.
        model: the network, in evaluation mode.
        layers: number of hidden states.
        dim: their width.
        minimum_samples: shorter audio is padded with zeros at its end to this length.
        longest_samples: longer audio is cut into chunks; 0 for no limit.
        batch_samples: largest number of samples per batch, padding included; 0 for one utterance at a time.
        manner: how it takes utterances (one at a time, in batches), as text.
        device: "cpu" or "cuda".
    """

    def __init__(self, name: str, model: torch.nn.Module, speech: SpeechFeatures, device: str) -> None:
        self.name, self.device, self.model = name, device, model
        self.precision = speech.precision
        # Counts frames and makes batches exact; None for models where this is not known to work.
        inner = getattr(model, "model", None)
        self._frames = ExactBatches(inner) if is_known(inner) else getattr(model, "windows", None)
        self.minimum_samples, hidden = self._find_minimum()
        self.layers, self.dim = len(hidden), hidden[0].shape[1]
        self.longest_samples = self._find_longest(speech.longest_s)
        self.batch_samples, self.manner = self._find_batch(speech.batch_s)

    def extract(self, wav: np.ndarray) -> list[np.ndarray]:
        """Returns the hidden states of one utterance.

        Args:
            wav: (samples,) float32 at 16 kHz.

        Returns:
            One (T, D) float32 array per layer, the input of the first layer first; all have the same T.

        Raises:
            DataError: the model cannot take this audio, or gives values that are not finite.
        """
        return self.extract_batch([wav])[0]

    def extract_batch(
        self, wavs: Sequence[np.ndarray], reduce: Callable[[list[torch.Tensor]], np.ndarray] | None = None
    ) -> list[list[np.ndarray]] | list[np.ndarray]:
        """Returns the hidden states of several utterances, equal to those of `extract`.

        Args:
            wavs: (samples,) each, float32 at 16 kHz; an utterance that `is_long` must be the only one.
            reduce: replaces the hidden states of an utterance by its own result; gets tensors on the device, so that
                little has to be copied from it.

        Raises:
            DataError: the model cannot take one of them, or gives values that are not finite.
        """
        wavs = [np.pad(wav, (0, max(self.minimum_samples - len(wav), 0))) for wav in wavs]
        try:
            hidden = [self._extract_long(wavs[0])] if self.is_long(len(wavs[0])) else self._forward(wavs)
            return [(reduce or _to_arrays)(states) for states in hidden]
        except _FAULTS as error:
            lengths = ", ".join(str(len(wav)) for wav in wavs)
            raise DataError(f"{self.name} cannot take {lengths} samples: {first_line(error)}") from error

    def is_short(self, samples: int) -> bool:
        """Tells whether audio of this length is padded."""
        return samples < self.minimum_samples

    def is_long(self, samples: int) -> bool:
        """Tells whether audio of this length is cut into chunks."""
        return 0 < self.longest_samples < samples

    @contextlib.contextmanager
    def in_float32(self) -> Iterator[None]:
        """Computes in float32 inside the block, whatever the configured precision."""
        precision, self.precision = self.precision, "float32"
        try:
            yield
        finally:
            self.precision = precision

    def _extract_long(self, wav: np.ndarray) -> list[torch.Tensor]:
        needed = 2 * 4 * self.layers * self.dim * (len(wav) // self._frames.hop)
        free = psutil.virtual_memory().available
        if needed > free:
            raise DataError(
                f"{len(wav) / SAMPLE_RATE_HZ / 60:.0f} minutes of audio need {needed / 1e9:.1f} GB of memory for their "
                f"frames, {free / 1e9:.1f} GB are free; cut the recording into utterances"
            )
        hop, overlap = self._frames.hop, OVERLAP_S * SAMPLE_RATE_HZ
        chunks = cut(len(wav), longest=self.longest_samples, overlap=overlap, hop=hop)
        hidden = [_to_arrays(self._forward([wav[chunk]])[0]) for chunk in chunks]
        return [torch.from_numpy(states) for states in join(chunks, hidden, hop=hop)]

    def states(self, wavs: Sequence[torch.Tensor]) -> list[list[torch.Tensor]]:
        """Returns the hidden states of a batch with gradients, L of (T, D) per utterance.

        Args:
            wavs: (samples,) each, on the device of the model; none shorter than `minimum_samples`.
        """
        samples = [len(wav) for wav in wavs]
        lengths = self._frames.lengths(samples) if self._frames else contextlib.nullcontext()
        # Models of Hugging Face draw a random number per layer (for layer drop) even in evaluation mode.
        with untouched_generators(), warnings.catch_warnings(), lengths:
            warnings.simplefilter(
                "ignore"
            )  # from s3prl, about single frames and empty filters; the output is checked below
            states = self.model(wavs).get("hidden_states")
        if states is None:
            raise ConfigError(f"speech_features.upstream: {self.name} gives no hidden states; use another one")
        frames = [min(state.shape[1] for state in states)] * len(wavs)
        if self._frames is not None:
            frames = [self._frames.frames(count) for count in samples]
        return [[state[row, :count] for state in states] for row, count in enumerate(frames)]

    def _forward(self, wavs: Sequence[np.ndarray]) -> list[list[torch.Tensor]]:
        with torch.inference_mode(), torch.autocast(self.device, torch.bfloat16, enabled=self.precision == "bfloat16"):
            inputs = [torch.from_numpy(np.ascontiguousarray(wav, dtype=np.float32)).to(self.device) for wav in wavs]
            states = self.states(inputs)
        if min(len(layers[0]) for layers in states) == 0:
            raise ValueError("the output has no frames")
        if not torch.stack([torch.isfinite(layer).all() for layers in states for layer in layers]).all():
            raise ValueError("the output is not finite")
        return [[layer.float() for layer in layers] for layers in states]

    def _find_minimum(self) -> tuple[int, list[torch.Tensor]]:
        noise = _noise(_SHORTEST_SAMPLES[-1])
        fault: Exception | None = None
        for samples in _SHORTEST_SAMPLES:
            try:
                hidden = self._forward([noise[:samples]])[0]
            except _FAULTS as error:
                fault = error
                continue  # too short; try the next length
            if len({state.shape[1] for state in hidden}) > 1:
                widths = sorted({state.shape[1] for state in hidden})
                raise ConfigError(f"speech_features.upstream: the layers of {self.name} differ in width: {widths}")
            return samples, hidden
        raise ConfigError(f"speech_features.upstream: {self.name} does not take audio: {first_line(fault)}")

    def _find_longest(self, longest_s: float) -> int:
        if self._frames is None:
            return 0
        window = getattr(self._frames, "longest_samples", 0)
        samples = int(longest_s * SAMPLE_RATE_HZ)
        return min(samples, window) if window else samples

    def _find_batch(self, batch_s: float | str) -> tuple[int, str]:
        if batch_s == "auto":
            batch_s = 120.0 if self.device == "cuda" else 0.0
        if batch_s == 0:
            return 0, "one utterance at a time"
        if self._frames is None:
            return 0, f"one utterance at a time, since {self.name} is not known to be exact in batches"
        wavs = [_noise(samples, seed) for seed, samples in enumerate(_COMPARED_SAMPLES)]
        with self.in_float32():
            difference = largest_difference(self.extract_batch(wavs), [self.extract(wav) for wav in wavs])
        if difference > _TOLERANCE:
            return 0, f"one utterance at a time, since {self.name} gives other values in batches ({difference:.1e})"
        return int(batch_s * SAMPLE_RATE_HZ), f"in batches of {batch_s:g} s (largest difference {difference:.0e})"


def largest_difference(some: Sequence[Sequence[np.ndarray]], others: Sequence[Sequence[np.ndarray]]) -> float:
    """Returns the largest difference between hidden states, relative to the largest value of the layer (at least 1)."""
    shares = [0.0]
    for ours, theirs in zip(some, others, strict=True):
        for state, other in zip(ours, theirs, strict=True):
            if state.shape != other.shape:
                return float("inf")
            shares.append(float(np.abs(state - other).max() / max(np.abs(other).max(), 1.0)))
    return max(shares)


def _to_arrays(states: Sequence[torch.Tensor]) -> list[np.ndarray]:
    return [state.cpu().numpy() for state in states]


@contextlib.contextmanager
def untouched_generators() -> Iterator[None]:
    """Restores the global random generators of torch (CPU and GPUs), numpy and random when the block ends."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else None
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])
        random.setstate(states[2])
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)


def _noise(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(samples).astype(np.float32) * 0.1
