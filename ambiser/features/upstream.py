"""Speech upstreams of s3prl, exact: one utterance at a time, generators untouched, as many frames as the model makes.

This is the only file that imports s3prl.
"""

import contextlib
import importlib
import io
import random
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from ambiser.config.schema import SpeechFeatures
from ambiser.errors import ConfigError, DataError
from ambiser.features.checkpoints import (
    MODEL_TYPES,
    check_hugging_face_folder,
    check_hugging_face_weights,
    checked_loading,
)
from ambiser.features.compat import mend_torchaudio
from ambiser.features.names import BASELINES, REMOTE, describe_unknown
from ambiser.io.console import log

# Looked into before the whole of s3prl is imported, which takes seconds and fails with any of its parts.
_FAMILIES = ("hf_wav2vec2", "hf_hubert", "wavlm", "hubert", "wav2vec2", "data2vec")
# Lengths tried in turn to find the shortest audio that a model takes: 25 ms, 50 ms, ..., 1.6 s.
_SHORTEST_SAMPLES = (400, 800, 1600, 3200, 6400, 12800, 25600)


class Upstream:
    """A speech model that turns audio into hidden states.

    Attributes:
        name: its name in s3prl.
        model: the network itself, in evaluation mode.
        layers: how many hidden states it gives.
        dim: their width.
        minimum_samples: shorter audio is padded with zeros at its end to this length.
        device: where it computes.
    """

    def __init__(self, name: str, model: torch.nn.Module, device: str) -> None:
        self.name, self.device, self.model = name, device, model
        self.minimum_samples, hidden = self._find_minimum()
        self.layers, self.dim = len(hidden), hidden[0].shape[1]

    def extract(self, wav: np.ndarray) -> list[np.ndarray]:
        """Returns the hidden states of one utterance.

        Args:
            wav: (samples,) float32 at 16 kHz.

        Returns:
            One (T, D) float32 array a layer, the input of the first layer first; T is the same for all of them.

        Raises:
            DataError: the model cannot take this audio, or makes values that are not finite.
        """
        if len(wav) < self.minimum_samples:
            wav = np.pad(wav, (0, self.minimum_samples - len(wav)))
        try:
            hidden = self._forward(wav)
        except (RuntimeError, AssertionError, ValueError, IndexError) as error:
            raise DataError(f"{self.name} cannot take {len(wav)} samples: {_first_line(error)}") from error
        return hidden

    def is_short(self, samples: int) -> bool:
        """Tells whether audio of so many samples is padded."""
        return samples < self.minimum_samples

    def _forward(self, wav: np.ndarray) -> list[np.ndarray]:
        # Models of Hugging Face draw a number a layer even where nothing is left to chance.
        with torch.inference_mode(), untouched_generators(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # s3prl's own, on single frames and empty filters; what matters is checked
            result = self.model([torch.from_numpy(np.ascontiguousarray(wav, dtype=np.float32)).to(self.device)])
            states = result.get("hidden_states")
            if states is None:
                raise ConfigError(f"speech_features.upstream: {self.name} gives no hidden states; take another")
            hidden = [state[0].float().cpu().numpy() for state in states]
        frames = min(len(state) for state in hidden)
        if frames == 0:
            raise ValueError("it makes no frame of them")
        if not all(np.isfinite(state).all() for state in hidden):
            raise ValueError("it makes values of them that are not finite")
        return [state[:frames] for state in hidden]

    def _find_minimum(self) -> tuple[int, list[np.ndarray]]:
        noise = np.random.default_rng(0).standard_normal(_SHORTEST_SAMPLES[-1]).astype(np.float32) * 0.1
        fault: Exception | None = None
        for samples in _SHORTEST_SAMPLES:
            try:
                hidden = self._forward(noise[:samples])
            except (RuntimeError, AssertionError, ValueError, IndexError) as error:
                fault = error
                continue
            if len({state.shape[1] for state in hidden}) > 1:
                widths = sorted({state.shape[1] for state in hidden})
                raise ConfigError(f"speech_features.upstream: the layers of {self.name} differ in width: {widths}")
            return samples, hidden
        raise ConfigError(f"speech_features.upstream: {self.name} does not take audio: {_first_line(fault)}")


def load_upstream(speech: SpeechFeatures, device: str = "cpu") -> Upstream:
    """Loads the upstream that a configuration names.

    Args:
        speech: upstream and, for names that end in _local or _custom, the checkpoint.
        device: "cpu" or "cuda".

    Raises:
        ConfigError: an unknown name, a checkpoint that is missing, of another kind or unsafe, or weights that are
            neither in the cache nor to be had from the network.
    """
    name, arguments = speech.upstream, _checkpoint_arguments(speech)
    # Importing s3prl draws random numbers too.
    with untouched_generators(), checked_loading():
        make = _find(name)
        # Some models draw weights and then load most of them; what stays drawn shall be the same in every process.
        torch.manual_seed(0)
        np.random.seed(0)
        random.seed(0)
        model = _construct(make, name, arguments)
        if name in MODEL_TYPES:
            check_hugging_face_weights(model.model, Path(speech.checkpoint))
        return Upstream(name, model.to(device).eval(), device)


def upstream_names() -> list[str]:
    """Returns every name that `load_upstream` knows, sorted; imports the whole of s3prl."""
    with untouched_generators():
        names = set(BASELINES) | set(_entries(_import_s3prl("s3prl.hub")))
    return sorted(name for name in names if not name.endswith(REMOTE) and name != "baseline_local")


@contextlib.contextmanager
def untouched_generators() -> Iterator[None]:
    """Restores the global generators of torch (CPU and GPUs), numpy and random when the block ends."""
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


def _find(name: str) -> Callable[..., torch.nn.Module]:
    if name in BASELINES:
        return _entries(_import_s3prl("s3prl.upstream.baseline.hubconf"))[name]
    for family in _FAMILIES:
        if name.startswith(family) and not name.endswith(REMOTE):
            entries = _entries(_import_s3prl(f"s3prl.upstream.{family}.hubconf"))
            if name in entries:
                return entries[name]
    names = upstream_names()
    if name in names:
        return _entries(_import_s3prl("s3prl.hub"))[name]
    raise ConfigError(describe_unknown(name, names))


def _entries(module: types.ModuleType) -> dict[str, Callable[..., torch.nn.Module]]:
    """Keeps the functions that make an upstream; a hubconf also lets through what it imported."""
    return {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, types.FunctionType) and not name.startswith("_") and value.__module__.endswith(".hubconf")
    }


def _checkpoint_arguments(speech: SpeechFeatures) -> dict[str, str]:
    name, checkpoint = speech.upstream, speech.checkpoint
    if not name.endswith(("_local", "_custom")):
        if checkpoint:
            raise ConfigError(f"speech_features.checkpoint: upstream {name} has its own weights; leave it empty")
        return {}
    if not checkpoint:
        raise ConfigError(f"speech_features.checkpoint: upstream {name} needs the file or folder of a checkpoint")
    if not Path(checkpoint).exists():
        raise ConfigError(f"speech_features.checkpoint: {checkpoint} is missing; it must be a file or folder here")
    if name in MODEL_TYPES:
        check_hugging_face_folder(name, Path(checkpoint))
    elif not Path(checkpoint).is_file():
        raise ConfigError(f"speech_features.checkpoint: {checkpoint} is a folder; upstream {name} reads a file")
    return {"ckpt": str(checkpoint)}


def _construct(make: Callable[..., torch.nn.Module], name: str, arguments: dict[str, str]) -> torch.nn.Module:
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return make(**arguments)
    except ConfigError:
        raise
    except ImportError as error:
        reason = _first_line(error)
        raise ConfigError(f"speech_features.upstream: {name} needs a package that is not there: {reason}") from error
    except Exception as error:
        if arguments:
            raise ConfigError(
                f"speech_features.checkpoint: {arguments['ckpt']} cannot be loaded as {name}: "
                f"{type(error).__name__}: {_first_line(error)}"
            ) from error
        if isinstance(error, OSError):
            raise ConfigError(
                f"the weights of {name} are not in {_cache_folder()} and could not be fetched ({_first_line(error)}); "
                "run stage 2 once on a machine with network access that shares this folder, or copy the folder here"
            ) from error
        raise


def _cache_folder() -> Path:
    return Path(_import_s3prl("s3prl.util.download")._download_dir)


def _import_s3prl(module: str) -> types.ModuleType:
    try:
        for line in mend_torchaudio():
            log.debug(line)
        # s3prl prints advice about packages that some of its upstreams would like.
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return importlib.import_module(module)
    except (ImportError, OSError, RuntimeError) as error:
        reason = _first_line(error)
        raise ConfigError(f"torchaudio or s3prl cannot be imported: {reason}; run tools/setup.sh") from error


def _first_line(error: BaseException | None) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
