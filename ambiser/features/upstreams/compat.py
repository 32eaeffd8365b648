"""Makes torchaudio and s3prl import beside any torch: a CPU one, a CUDA one, one that they were not built for.

torchaudio's compiled extension cannot load beside a torch of another build, and the whole import fails with it,
although nothing that is used here needs the extension. s3prl asks for `torchaudio.set_audio_backend` and
`torchaudio.sox_effects`, which torchaudio dropped. Each fault is looked for first; without a fault nothing is done.
"""

import importlib
import sys
import types

_EXTENSION = "torchaudio._extension"
_SOX = "torchaudio.sox_effects"


def mend_torchaudio() -> list[str]:
    """Imports torchaudio, mending what is broken; must run before s3prl is imported.

    Returns:
        A line for each thing that was mended; none when all was well, or was mended before.

    Raises:
        ImportError, OSError, RuntimeError: as torchaudio's own import, when its extension is not what breaks it.
    """
    mended = _import_without_broken_extension()
    torchaudio = sys.modules["torchaudio"]
    if not hasattr(torchaudio, "set_audio_backend"):
        torchaudio.set_audio_backend = _set_no_backend
        mended.append("torchaudio.set_audio_backend is gone from torchaudio; s3prl gets one that does nothing")
    try:
        importlib.import_module(_SOX)
    except ModuleNotFoundError as error:
        if error.name != _SOX:
            raise
        torchaudio.sox_effects = sys.modules[_SOX] = _absent_sox_effects()
        mended.append("torchaudio.sox_effects is gone from torchaudio; s3prl gets one that refuses to be called")
    return mended


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
        # It also fails without its extension, so that was not the fault.
        _forget_torchaudio()
        raise fault from None
    reason = (str(fault).splitlines() or [type(fault).__name__])[0]
    return [f"torchaudio's extension cannot load beside this torch and counts as absent: {reason}"]


def _forget_torchaudio() -> None:
    """Takes what a failed import left out of sys.modules, where the next import would find it half made."""
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
        raise RuntimeError(f"{function.__name__} needs torchaudio's extension, which cannot load beside this torch")

    return refuse


def _absent_sox_effects() -> types.ModuleType:
    def refuse(*args: object, **kwargs: object) -> None:
        raise RuntimeError("sox effects are gone from torchaudio; take an upstream that does without them")

    module = types.ModuleType(_SOX)
    module.apply_effects_tensor = module.apply_effects_file = refuse
    return module


def _set_no_backend(backend: str | None) -> None:
    """Stands for a function whose setting no longer exists; audio is read with soundfile."""
