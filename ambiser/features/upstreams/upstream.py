"""Loads the speech upstream of a configuration, from s3prl or Hugging Face.

This is the only file that imports s3prl.
"""

import contextlib
import functools
import importlib
import io
import random
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from ambiser.config.schema import SpeechFeatures
from ambiser.errors import ConfigError, first_line
from ambiser.features.upstreams.checkpoint_safety import (
    MODEL_TYPES,
    check_hugging_face_folder,
    check_hugging_face_weights,
    checked_loading,
)
from ambiser.features.upstreams.compat import patch_torchaudio
from ambiser.features.upstreams.forward import Upstream, untouched_generators
from ambiser.features.upstreams.huggingface import check_window, load_hugging_face
from ambiser.features.upstreams.upstream_names import BASELINES, HUGGING_FACE, REMOTE, describe_unknown
from ambiser.io.console import log

# Searched first; importing all of s3prl takes seconds and fails if any of its parts fails.
_FAMILIES = ("hf_wav2vec2", "hf_hubert", "wavlm", "hubert", "wav2vec2", "data2vec")
_TENSORBOARD = "torch.utils.tensorboard"


def load_upstream(speech: SpeechFeatures, device: str = "cpu") -> Upstream:
    """Loads the upstream of a configuration.

    Args:
        speech: upstream and, for `huggingface` and names that end in _local or _custom, the checkpoint.
        device: "cpu" or "cuda".

    Raises:
        ConfigError: the name is unknown, the checkpoint is missing, unsafe or of another kind, or its weights
            are neither in the cache nor on the network.
    """
    name, arguments = speech.upstream, _checkpoint_arguments(speech)
    # Even the import of s3prl draws random numbers.
    with untouched_generators(), checked_loading():
        if name == HUGGING_FACE:
            make = functools.partial(load_hugging_face, window_s=speech.window)
        else:
            check_window(f"{name} has none", speech.window)
            make = _find(name)
        # Some models initialize weights at random and load most of them; the others must be equal in every process.
        torch.manual_seed(0)
        np.random.seed(0)
        random.seed(0)
        model = _construct(make, name, arguments)
        if name in MODEL_TYPES:
            check_hugging_face_weights(model.model, Path(speech.checkpoint))
        return Upstream(name, model.to(device).eval(), speech, device)


def upstream_names() -> list[str]:
    """Returns every name that `load_upstream` accepts, sorted; imports all of s3prl."""
    with untouched_generators():
        names = {HUGGING_FACE, *BASELINES} | set(_entries(_import_s3prl("s3prl.hub")))
    return sorted(name for name in names if not name.endswith(REMOTE) and name != "baseline_local")


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
    """Returns the functions that make an upstream, without those that a hubconf has imported."""
    return {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, types.FunctionType) and not name.startswith("_") and value.__module__.endswith(".hubconf")
    }


def _checkpoint_arguments(speech: SpeechFeatures) -> dict[str, str]:
    name, checkpoint = speech.upstream, speech.checkpoint
    if name == HUGGING_FACE and checkpoint:
        return {"checkpoint": checkpoint}
    if name != HUGGING_FACE and not name.endswith(("_local", "_custom")):
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
        reason = first_line(error)
        raise ConfigError(
            f"speech_features.upstream: {name} needs a package that is not installed: {reason}"
        ) from error
    except Exception as error:
        for checkpoint in arguments.values():
            raise ConfigError(
                f"speech_features.checkpoint: {checkpoint} cannot be loaded as {name}: "
                f"{type(error).__name__}: {first_line(error)}"
            ) from error
        if isinstance(error, OSError):
            raise ConfigError(
                f"the weights of {name} are not in {_cache_folder()} and cannot be downloaded ({first_line(error)}); "
                f"run tools/fetch_weights.sh {name} on a machine with network access that shares this folder, or copy "
                "the folder here"
            ) from error
        raise


def _cache_folder() -> Path:
    return Path(_import_s3prl("s3prl.util.download")._download_dir)


@contextlib.contextmanager
def _without_tensorboard() -> Iterator[None]:
    """Hides TensorBoard, which `import s3prl` loads if it can: a tenth of a second that only its trainers need."""
    if _TENSORBOARD in sys.modules:
        yield
        return
    sys.modules[_TENSORBOARD] = None
    try:
        yield
    finally:
        del sys.modules[_TENSORBOARD]


def _import_s3prl(module: str) -> types.ModuleType:
    try:
        for line in patch_torchaudio():
            log.debug(line)
        silent = io.StringIO()  # s3prl prints advice about optional packages
        with _without_tensorboard(), contextlib.redirect_stdout(silent), contextlib.redirect_stderr(silent):
            return importlib.import_module(module)
    except (ImportError, OSError, RuntimeError) as error:
        reason = first_line(error)
        raise ConfigError(f"torchaudio or s3prl cannot be imported: {reason}; run tools/setup.sh") from error
