"""What tests of whole programs share: the place of the checkout, and running a command as a user does."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from launch.cluster import is_slurm_here, running
from warm_python import write_command

from ambiser.io.console import log
from ambiser.launch.local import THREADS
from ambiser.launch.warm import OWNER

ROOT = Path(__file__).resolve().parents[1]

# Several workers with a pool of threads each would wait for one another; a test that needs threads asks for them.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell that runs the tests in the background makes them ignore Ctrl-C, and programs that tests start would too.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """Adds a worker to one per core if Slurm is installed: two files of tests wait for it most of their time."""
    count = yield
    return count + is_slurm_here()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with what waits for a real Slurm, the longest file, and what else takes long beside it."""
    first = ("launch/test_slurm.py", "recipes/test_mini.py", "recipes/")

    def place(item: pytest.Item) -> int:
        path = item.path.relative_to(ROOT / "tests").as_posix()
        return next((number for number, start in enumerate(first) if path.startswith(start)), len(first))

    items.sort(key=place)


@pytest.fixture(autouse=True)
def log_as_before():
    """Takes back what a program that ran inside a test set up for the log."""
    handlers, propagate, level = log.handlers[:], log.propagate, log.level
    yield
    log.handlers[:], log.propagate = handlers, propagate
    log.setLevel(level)


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def environment(tmp_path_factory) -> dict[str, str]:
    """The environment for commands: no set-up, and programs and jobs that start as forks in all recipes of the session.

    The processes of pytest-xdist share the servers, so the variables that differ between them are left out.
    """
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    owner, name = (os.getppid() if is_worker else os.getpid()), os.environ.get("PYTEST_XDIST_TESTRUNUID", "alone")
    warm = write_command(tmp_path_factory.mktemp("python") / "python", f"{owner}-{name}", owner)
    own = {"AMBISER_PYTHON": str(warm), "PYTHONPATH": str(ROOT), OWNER: f"{owner}-{name}"}
    return THREADS | {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")} | own


@pytest.fixture(scope="session")
def cold_environment(environment) -> dict[str, str]:
    """As `environment`, but every program and every job starts as a user starts it."""
    return environment | {"AMBISER_PYTHON": sys.executable, OWNER: "off"}


@pytest.fixture(scope="session")
def python(environment) -> str:
    """The command in place of Python that starts programs of ambiser/bin as forks."""
    return environment["AMBISER_PYTHON"]


@pytest.fixture(scope="session")
def run(environment):
    """A function that runs a command and returns what it printed and its exit status."""

    def run(*argv: object, cwd: Path = ROOT, env: dict[str, str] | None = None, timeout: float = 120):
        return subprocess.run(
            [str(word) for word in argv],
            cwd=cwd,
            env=environment if env is None else env,
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )

    return run


@pytest.fixture(scope="session")
def copy_checkout():
    """A function that copies the parts of the checkout that a recipe needs."""

    def copy(target: Path) -> Path:
        leave_out = shutil.ignore_patterns("venv", "__pycache__", "data", "dump", "exp", "*.egg-info")
        for name in ("tools", "conf", "egs"):
            shutil.copytree(ROOT / name, target / name, ignore=leave_out)
        shutil.copytree(ROOT / "ambiser", target / "ambiser", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "setup.py", target)
        return target

    return copy


@pytest.fixture(scope="module")
def cluster():
    """A real Slurm of two nodes; the tests of a file share it."""
    with running() as made:
        yield made
