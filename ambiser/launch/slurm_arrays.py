"""Records Slurm arrays on disk: the commands, the job number, and the status of every task.

FOLDER/NNNN-RUN/ of a submission holds tasks.json (the commands), job.json (written before and after sbatch, so that no
submission is made twice or lost), script.sh, status/INDEX.json and the output of Slurm itself.
"""

import contextlib
import json
import os
import re
import secrets
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ambiser.config.site import JobRequest, Slurm
from ambiser.errors import DataError
from ambiser.io.files import digest, read_json, write_json, write_text
from ambiser.launch import slurm_client
from ambiser.launch.job import Job

WORKER = Path(__file__).with_name("slurm_worker.py")
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@dataclass
class Array:
    """One submission.

    Attributes:
        folder: its record.
        run: its random name.
        tasks: the jobs, by index in the array.
        digests: the digests of their commands.
        job: the job number of Slurm, once it has given one.
        watched: the indices to wait for.
    """

    folder: Path
    run: str
    tasks: list[Job]
    digests: list[str]
    job: str = ""
    watched: set[int] = field(default_factory=set)
    _seen: dict[int, tuple[tuple[int, int], dict]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the Slurm job."""
        return f"ambiser-{self.run}"

    def record(self, state: str) -> None:
        """Writes job.json: submitting, submitted or closed."""
        write_json(self.folder / "job.json", {"state": state, "job": self.job, "name": self.name})

    def statuses(self) -> dict[int, dict]:
        """Returns the status of every task that has written one; reads changed files only."""
        files = {}
        with contextlib.suppress(OSError), os.scandir(self.folder / "status") as entries:
            files = {entry.name: entry.stat() for entry in entries if entry.name[0].isdigit()}
        for name, stat in files.items():
            index, stamp = int(name.partition(".")[0]), (stat.st_mtime_ns, stat.st_ino)
            if self._seen.get(index, (None,))[0] == stamp:
                continue
            with contextlib.suppress(OSError, ValueError):  # another node wrote it, and it is not visible yet
                status = json.loads((self.folder / "status" / name).read_text())
                if status["run"] == self.run and status["digest"] == self.digests[index]:
                    self._seen[index] = (stamp, status)
        return {index: status for index, (_, status) in self._seen.items()}

    def said(self, index: int) -> str:
        """Returns the last error message of Slurm or of the script, such as a memory limit, or ""."""
        with contextlib.suppress(OSError):
            text = (self.folder / f"slurm-{index}.out").read_text(errors="replace")
            errors = re.findall(r"^(?:slurmstepd\S*: error: |ambiser: |(?=/))(?!\*)(.+)", text, re.MULTILINE)
            return errors[-1] if errors else ""
        return ""


def task_digest(argv: Sequence[str]) -> str:
    """Returns the digest of a command in this working directory."""
    return digest(os.getcwd(), *argv)


def prepare(folder: Path, tasks: Sequence[Job], request: JobRequest, requeues: int) -> Array:
    """Writes the record of a submission, before it is submitted."""
    run = secrets.token_hex(6)
    number = 1 + max((int(p.name[:4]) for p in folder.glob("[0-9][0-9][0-9][0-9]-*")), default=0)
    digests = [task_digest(task.argv) for task in tasks]
    place = (folder / f"{number:04d}-{run}").absolute()
    array = Array(place, run, list(tasks), digests, watched=set(range(len(tasks))))
    plan = {
        "run": run,
        "cwd": os.getcwd(),
        "environment": ENVIRONMENT | {k: v for k, v in os.environ.items() if k == "PYTHONPATH"},
        "requeues": requeues,
        "tasks": [
            {
                "name": task.name,
                "argv": command_of(task, request),
                "log": str(task.log.absolute()),
                "done": str(task.done.absolute()),
                "digest": own,
            }
            for task, own in zip(tasks, array.digests, strict=True)
        ],
    }
    write_json(array.folder / "tasks.json", plan)
    write_text(array.folder / "script.sh", script(array.folder, request))
    try:
        (array.folder / "status").mkdir()
    except OSError as error:
        raise DataError(f"{array.folder}: cannot be written: {error.strerror}") from error
    array.record("submitting")
    return array


def command_of(task: Job, request: JobRequest) -> list[str]:
    """Returns the command of a job, in its container; srun starts it on all nodes if several processes share it."""
    count = request.nodes * request.tasks
    together = [
        "srun",
        "--kill-on-bad-exit=1",
        f"--nodes={request.nodes}",
        f"--ntasks={count}",
        f"--ntasks-per-node={request.tasks}",
        f"--cpus-per-task={request.cpus}",
    ]
    return [*(together if task.divisible and count > 1 else []), *request.container, *task.argv]


def script(folder: Path, request: JobRequest) -> str:
    """Returns the script that Slurm runs for each task."""
    loads = [
        f"module load {module} || {{ echo 'ambiser: module load {module} failed' >&2; exit 1; }}"
        for module in request.modules
    ]
    worker = shlex.join([sys.executable, "-I", "-S", str(WORKER), str(folder)])
    return "\n".join(["#!/bin/bash", *loads, f"exec {worker}", ""])


def sbatch_options(array: Array, request: JobRequest, slurm: Slurm, after: Sequence[str] = ()) -> list[str]:
    """Returns the sbatch options of an array, which starts after the jobs in `after` have succeeded."""
    throttle = f"%{request.throttle}" if request.throttle else ""
    output = str(array.folder).replace("%", "%%") + "/slurm-%a.out"
    options = [
        f"--job-name={array.name}",
        f"--comment={array.run}",
        f"--array=0-{len(array.tasks) - 1}{throttle}",
        f"--output={output}",
        "--open-mode=append",
        f"--chdir={os.getcwd()}",
        "--export=ALL",
        "--requeue",
        f"--nodes={request.nodes}",
        f"--ntasks-per-node={request.tasks}",
        f"--cpus-per-task={request.cpus}",
    ]
    for name, value in (
        ("partition", request.partition),
        ("account", request.account),
        ("qos", request.qos),
        ("time", request.time),
        ("mem", request.memory),
        ("constraint", request.constraint),
    ):
        options += [f"--{name}={value}"] if value else []
    options += [f"--gres=gpu:{request.gpus}"] if request.gpus else []
    warning_s = min(slurm.warning_s, request.time_s() // 4) if request.time else slurm.warning_s
    options += [f"--signal=B:USR1@{warning_s}"] if warning_s else []
    options += [f"--dependency=afterok:{':'.join(after)}", "--kill-on-invalid-dep=yes"] if after else []
    return [*options, *request.extra]


def find_arrays(folder: Path) -> list[Array]:
    """Returns the open submissions that Slurm accepted, and closes those that it did not.

    Raises:
        Unreachable: Slurm does not answer, so a submission without a job number cannot be looked up.
    """
    arrays = []
    for place in sorted(folder.absolute().glob("[0-9][0-9][0-9][0-9]-*")):
        if not (place / "job.json").is_file():
            continue
        record = read_json(place / "job.json")
        if record["state"] == "closed":
            continue
        array = load(place)
        array.job = record["job"] or find_submitted(array) or ""
        array.record("submitted" if array.job else "closed")
        arrays += [array] if array.job else []
    return arrays


def load(place: Path) -> Array:
    """Reads a submission back."""
    plan = read_json(place / "tasks.json")
    tasks = [Job(t["name"], tuple(t["argv"]), Path(t["log"]), Path(t["done"])) for t in plan["tasks"]]
    return Array(place, plan["run"], tasks, [t["digest"] for t in plan["tasks"]], read_json(place / "job.json")["job"])


def find_submitted(array: Array) -> str | None:
    """Returns the job number of a submission without an answer: from a task's status, or from Slurm by name."""
    for status in array.statuses().values():
        return status["slurm"]
    return slurm_client.find_job(array.name)


def living(arrays: Iterable[Array]) -> dict[tuple[str, int], tuple[str, str]]:
    """Returns state and reason of the tasks that can still run, by job number and index."""
    jobs = [array.job for array in arrays]
    states = slurm_client.squeue(jobs) if jobs else {}
    return {key: value for key, value in states.items() if not slurm_client.fate(*value)}
