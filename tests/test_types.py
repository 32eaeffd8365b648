"""The public part has types that mypy accepts; .mypy.ini lists its modules."""

import re
import subprocess
import sys

import pytest

import ambiser


def test_every_module_of_a_public_name_is_checked(root):
    checked = re.findall(r"ambiser/[\w/.]+", (root / ".mypy.ini").read_text().partition("files")[2])
    for place in ambiser._PLACES.values():
        path = place.replace(".", "/")
        assert any(path == name.removesuffix(".py") or path.startswith(f"{name}/") for name in checked), place


def test_mypy_accepts_the_public_part(root):
    pytest.importorskip("mypy", reason="mypy is not installed: the types of the public names were not checked")
    done = subprocess.run([sys.executable, "-m", "mypy"], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
