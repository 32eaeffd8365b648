"""A tiny recipe with all stages, its reference run, and what must be the same after a fault."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from ambiser.launch.warm import OWNER

ROOT = Path(__file__).resolve().parents[2]
TRAINING = ("prototypes", "update", "contrastive", "distill")
SMALL = [
    "data.mini_utterances=120",
    "train.save_every_s=0",
    "train.tensorboard=false",
    *(f"{stage}.epochs=4" for stage in TRAINING),
]
FOLDERS = ("data", "dump", "exp")
VARYING = ("logs", "shared", "jobs", "tensorboard", "figures", "run.json", "inputs.tsv")
"""Parts of the paths of files that hold times or hosts, and of pages made from them."""
PAGES = (".html", ".md", ".png", ".svg")


@dataclass
class Ended:
    """How a run ended: its exit status, and what it printed."""

    status: int
    text: str

    def fault(self) -> str:
        """Returns why this is no acceptable end; "" for success, or for one line of error with exit status 2."""
        if "Traceback" in self.text:
            return f"a traceback (exit status {self.status})"
        if self.status not in (0, 2) or (self.status == 2 and "error:" not in self.text):
            return f"exit status {self.status} without a line of error"
        return ""

    def line(self) -> str:
        """Returns the line of the error."""
        lines = [line for line in self.text.splitlines() if "error:" in line]
        return lines[0].partition("error: ")[2] if lines else ""


class RecipeRun:
    """egs/mini/run.sh in one folder, `run`, beside copies of it after each stage.

    All runs use the same path, so that their files can be compared byte by byte.
    """

    def __init__(self, base: Path, last: int = 7) -> None:
        self.base, self.run, self.last = base, base / "run", last
        self.seconds: dict[int, float] = {}
        self.wrap: list[str] = []
        self.launcher: list[str] = []
        own = {"AMBISER_PYTHON": sys.executable, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", OWNER: "off"}
        self.environment = os.environ | own
        self._owner = f"{os.getpid()}-{os.urandom(8).hex()}"

    def start_warm(self) -> None:
        """Lets all later runs share a fork server, which ends with this process."""
        self.environment[OWNER] = self._owner

    def start_cold(self) -> None:
        """Lets later runs start without a fork server."""
        self.environment[OWNER] = "off"

    def forks(self) -> list[psutil.Process]:
        """Returns the fork server and its jobs, which are no children of a run."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if any(word.startswith(self._owner) for word in process.cmdline()):
                    found.append(process)
        return found

    def servers(self) -> list[psutil.Process]:
        """Returns the fork servers, without their jobs."""
        forks = self.forks()
        found = []
        for process in forks:
            with contextlib.suppress(psutil.Error):
                if process.parent() not in forks:
                    found.append(process)
        return found

    def stages(self) -> list[int]:
        """Returns the stages to choose from: those of training and scores twice, as they take a third of the time."""
        return [*range(1, self.last + 1), *range(3, self.last + 1)]

    def words(self, first: int, last: int, *options: object) -> list[str]:
        """Returns the command that runs some stages."""
        folders = [f"--{name}_dir={self.run / name}" for name in FOLDERS]
        own = ["--config", "ipr_amber2", "--folds", 1, "--nj", 1, *self.launcher, "--stage", first]
        own += ["--stop_stage", last]
        words = [ROOT / "egs/mini/run.sh", *folders, *own, "--set", *SMALL, *options]
        return [*self.wrap, *(str(word) for word in words)]

    def start(self, first: int, last: int, *options: object) -> subprocess.Popen:
        """Starts some stages in a process group of their own."""
        return subprocess.Popen(
            self.words(first, last, *options),
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def finish(self, first: int, last: int, *options: object) -> Ended:
        """Runs some stages to their end."""
        return end_of(self.start(first, last, *options))

    def make_reference(self) -> None:
        """Runs every stage alone, measures its time, and copies the folder after it; keeps a reference that is there.

        Raises:
            RuntimeError: a stage failed.
        """
        times = self.base / "seconds.json"
        if times.is_file():
            self.seconds = {int(stage): seconds for stage, seconds in json.loads(times.read_text()).items()}
            return
        for stage in range(1, self.last + 1):
            started = time.monotonic()
            ended = self.finish(stage, stage)
            if ended.status:
                raise RuntimeError(f"stage {stage} failed without a fault:\n{ended.text}")
            self.seconds[stage] = time.monotonic() - started
            shutil.copytree(self.run, self.after(stage), symlinks=True)
        times.write_text(json.dumps(self.seconds))

    def after(self, stage: int) -> Path:
        """Returns the copy of the folder after a stage; 0 is an empty one."""
        return self.base / f"after{stage}"

    def restore(self, stage: int) -> None:
        """Puts the folder back to its state after a stage."""
        for path in self.run.iterdir() if self.run.is_dir() else ():
            shutil.rmtree(path)
        self.run.mkdir(exist_ok=True)
        if stage:
            shutil.copytree(self.after(stage), self.run, symlinks=True, dirs_exist_ok=True)

    def differences(self, stage: int, *, without: Path | None = None) -> list[str]:
        """Returns the files that differ from the reference after a stage, or are missing or too many.

        Args:
            stage: which copy to compare with.
            without: a file to leave out.
        """
        want, have = contents(self.after(stage)), contents(self.run)
        left = {name for name in want.keys() | have.keys() if want.get(name) != have.get(name)}
        return sorted(left - ({str(without.relative_to(self.run))} if without else set()))

    def failed_logs(self) -> str:
        """Returns the tracebacks in the logs of jobs, which the launcher only names."""
        logs = sorted(self.run.glob("*/**/logs/*.log"))
        return "".join(path.read_text(errors="replace") for path in logs)


def contents(folder: Path) -> dict[str, bytes]:
    """Returns the files that are the same in every run, by path."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        is_record = path.name.startswith("feats.") and path.suffix == ".json"  # holds the times of the audio
        if path.is_file() and not is_record and path.suffix not in PAGES and not any(part in name for part in VARYING):
            found[name] = path.read_bytes()
    return found


def end_of(process: subprocess.Popen) -> Ended:
    """Waits for the end of a run."""
    text, _ = process.communicate(timeout=600)
    return Ended(process.returncode, text)


def family(process: subprocess.Popen) -> list[psutil.Process]:
    """Returns the process and all its descendants."""
    try:
        parent = psutil.Process(process.pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.Error:
        return []


def wait_for_all(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Waits until killed processes and orphans have ended; returns those that have not."""
    return psutil.wait_procs(processes, timeout=120)[1]
