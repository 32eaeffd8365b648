"""Makes torchaudio and s3prl import with any torch: CPU, CUDA, or another version than they were built for.

torchaudio's compiled extension fails to load with another build of torch, and with it the whole import, although
ambiser needs nothing from the extension. s3prl uses `torchaudio.set_audio_backend` and `torchaudio.sox_effects`, which
torchaudio has removed. Each fault is detected first; nothing is patched without a fault.
"""

import importlib
import sys
import types

_EXTENSION = "torchaudio._extension"
_SOX = "torchaudio.sox_effects"


def patch_torchaudio() -> list[str]:
    """Imports torchaudio, with patches where needed; must run before the import of s3prl.

    Returns:
        A line per patch; none if nothing was broken, or was patched before.

    Raises:
        ImportError, OSError, RuntimeError: from torchaudio's own import, if its extension is not the cause.
    """
    patches = _import_without_broken_extension()
    torchaudio = sys.modules["torchaudio"]
    if not hasattr(torchaudio, "set_audio_backend"):
        torchaudio.set_audio_backend = _set_no_backend
        patches.append("torchaudio lacks set_audio_backend; s3prl gets one that does nothing")
    try:
        importlib.import_module(_SOX)
    except ModuleNotFoundError as error:
        if error.name != _SOX:
            raise
        torchaudio.sox_effects = sys.modules[_SOX] = _absent_sox_effects()
        patches.append("torchaudio lacks sox_effects; s3prl gets one that raises an error when called")
    return patches


def _import_without_broken_extension() -> list[str]:
    try:
        importlib.import_module("torchaudio")
    except ModuleNotFoundError as error:
        if error.name == "torchaudio":
            raise
        fault: Exception = error
    except (ImportError, OSError, RuntimeError) as error:
        fault = error
    else:
        return []
    _forget_torchaudio()
    sys.modules[_EXTENSION] = _absent_extension()
    try:
        importlib.import_module("torchaudio")
    except Exception:
        # It also fails without its extension, which is therefore not the cause.
        _forget_torchaudio()
        raise fault from None
    reason = (str(fault).splitlines() or [type(fault).__name__])[0]
    return [f"torchaudio's extension cannot load with this torch and is disabled: {reason}"]


def _forget_torchaudio() -> None:
    """Removes the rest of a failed import from sys.modules, so that the next import starts anew."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchaudio"]:
        del sys.modules[name]


def _absent_extension() -> types.ModuleType:
    module = types.ModuleType(_EXTENSION)
    module._IS_TORCHAUDIO_EXT_AVAILABLE = False
    module._IS_ALIGN_AVAILABLE = False
    module._load_lib = lambda lib: False
    module.fail_if_no_align = _refuse_alignment
    return module


def _refuse_alignment(function: object) -> object:
    def refuse(*args: object, **kwargs: object) -> None:
        raise RuntimeError(f"{function.__name__} needs torchaudio's extension, which cannot load with this torch")

    return refuse


def _absent_sox_effects() -> types.ModuleType:
    def refuse(*args: object, **kwargs: object) -> None:
        raise RuntimeError("this torchaudio has no sox effects; use an upstream that does not need them")

    module = types.ModuleType(_SOX)
    module.apply_effects_tensor = module.apply_effects_file = refuse
    return module


def _set_no_backend(backend: str | None) -> None:
    """Replaces a function whose setting no longer exists; audio is read with soundfile."""
