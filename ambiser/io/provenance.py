"""Records the origin of a result: the command, the git commit and the software versions."""

import functools
import importlib.metadata
import platform
import shlex
import subprocess
import sys
from pathlib import Path

import ambiser

PACKAGES = ("torch", "torchaudio", "s3prl", "transformers", "numpy", "scipy", "scikit-learn", "kaldiio")


def describe_run() -> dict[str, object]:
    """Returns the command, git state and versions, for `write_json`."""
    return {"command": shlex.join(sys.orig_argv), "git": git_state(), "versions": versions()}


@functools.cache
def git_state() -> str:
    """Returns the short commit of the checkout that holds the package, with "-dirty" after local changes.

    Returns "unknown" outside a git checkout.
    """
    commit = _git("rev-parse", "--short=12", "HEAD")
    # Not `describe --dirty`: it locks the index whatever the options, and a killed job would leave the lock.
    changes = _git("status", "--porcelain", "--untracked-files=no")
    if commit is None or changes is None:
        return "unknown"
    return f"{commit}-dirty" if changes else commit


def _git(*words: str) -> str | None:
    """Returns what a git command prints about the checkout, or None if it fails."""
    root = Path(__file__).resolve().parents[2]
    command = ["git", "--no-optional-locks", "-C", str(root), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


@functools.cache
def versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages that affect results."""
    found = {"python": platform.python_version(), "ambiser": ambiser.__version__}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found
