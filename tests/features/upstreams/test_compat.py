"""Each fault of torchaudio is simulated with made-up packages in a process of its own."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
HEALTHY = "set_audio_backend = lambda backend: 'mine'\n"


def run(tmp_path: Path, files: dict[str, str], code: str) -> str:
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(content))
    program = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]\n" + textwrap.dedent(code)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def package(extension: str, body: str = "", sox: bool = False) -> dict[str, str]:
    files = {
        "torchaudio/__init__.py": "from . import _extension\nfrom . import functional\n" + body,
        "torchaudio/_extension/__init__.py": extension,
        "torchaudio/functional.py": """
            from torchaudio._extension import _IS_TORCHAUDIO_EXT_AVAILABLE, fail_if_no_align
            @fail_if_no_align
            def forced_align(): pass
            """,
    }
    return files | ({"torchaudio/sox_effects.py": "apply_effects_tensor = 'mine'\n"} if sox else {})


FAULTS = {
    "mismatched torch": "raise OSError('libtorchaudio.so: undefined symbol: _ZN3c10')",
    "another CUDA": "raise RuntimeError('Detected that PyTorch and TorchAudio have different CUDA versions.')",
    "half an extension": "raise ImportError('Failed to load libtorchaudio')",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_extension_that_cannot_load_is_disabled(tmp_path, fault):
    out = run(
        tmp_path,
        package(FAULTS[fault], HEALTHY, sox=True),
        """
        from ambiser.features.upstreams.compat import patch_torchaudio
        patches = patch_torchaudio()
        print(len(patches), patches[0])
        import torchaudio
        print(torchaudio._extension._IS_TORCHAUDIO_EXT_AVAILABLE, torchaudio.functional._IS_TORCHAUDIO_EXT_AVAILABLE)
        try:
            torchaudio.functional.forced_align()
        except RuntimeError as error:
            print(error)
        print(patch_torchaudio())
        """,
    ).splitlines()
    assert out[0].startswith("1 torchaudio's extension cannot load with this torch and is disabled: ")
    assert out[1] == "False False"
    assert out[2].startswith("forced_align needs torchaudio's extension")
    assert out[3] == "[]"


def test_healthy_torchaudio_is_left_alone(tmp_path):
    extension = "_IS_TORCHAUDIO_EXT_AVAILABLE = True\nfail_if_no_align = lambda f: f\n"
    out = run(
        tmp_path,
        package(extension, HEALTHY, sox=True),
        """
        from ambiser.features.upstreams.compat import patch_torchaudio
        print(patch_torchaudio())
        import torchaudio, torchaudio.sox_effects
        print(torchaudio._extension.__file__ is not None, torchaudio._extension._IS_TORCHAUDIO_EXT_AVAILABLE)
        print(torchaudio.set_audio_backend('x'), torchaudio.sox_effects.apply_effects_tensor)
        """,
    ).splitlines()
    assert out == ["[]", "True True", "mine mine"]


def test_only_missing_functions_are_added(tmp_path):
    extension = "_IS_TORCHAUDIO_EXT_AVAILABLE = True\nfail_if_no_align = lambda f: f\n"
    out = run(
        tmp_path,
        package(extension),
        """
        from ambiser.features.upstreams.compat import patch_torchaudio
        print(len(patch_torchaudio()))
        import torchaudio
        from torchaudio.sox_effects import apply_effects_tensor
        print(torchaudio.set_audio_backend('sox_io'), torchaudio._extension._IS_TORCHAUDIO_EXT_AVAILABLE)
        try:
            apply_effects_tensor()
        except RuntimeError as error:
            print(error)
        """,
    ).splitlines()
    assert out[:2] == ["2", "None True"] and "has no sox effects" in out[2]


def test_other_faults_are_raised_unchanged_and_leave_nothing_behind(tmp_path):
    files = package("raise OSError('no symbol')", "raise ValueError('something else')")
    out = run(
        tmp_path,
        files,
        """
        from ambiser.features.upstreams.compat import patch_torchaudio
        try:
            patch_torchaudio()
        except OSError as error:
            print(error)
        print([name for name in sys.modules if name.startswith('torchaudio')])
        """,
    ).splitlines()
    assert out == ["no symbol", "[]"]


def test_a_missing_torchaudio_is_reported(tmp_path):
    out = run(
        tmp_path,
        {},
        """
        import importlib.abc
        class Nothing(importlib.abc.MetaPathFinder):
            def find_spec(self, name, path, target=None):
                if name == 'torchaudio':
                    raise ModuleNotFoundError("No module named 'torchaudio'", name=name)
        sys.meta_path.insert(0, Nothing())
        from ambiser.features.upstreams.compat import patch_torchaudio
        try:
            patch_torchaudio()
        except ModuleNotFoundError as error:
            print(error.name)
        """,
    )
    assert out == "torchaudio\n"


def test_the_real_torchaudio_and_s3prl_import(tmp_path):
    out = run(
        tmp_path,
        {},
        """
        from ambiser.features.upstreams.compat import patch_torchaudio
        patch_torchaudio()
        import torchaudio.compliance.kaldi, s3prl.upstream.baseline.hubconf
        print('imported')
        """,
    )
    assert out == "imported\n"
