"""Lists the state of all submitted tasks, without changing anything."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ambiser.errors import UserError
from ambiser.io.files import read_json
from ambiser.launch import slurm_client
from ambiser.launch.failures import exit_text
from ambiser.launch.slurm_arrays import Array, load
from ambiser.launch.slurm_client import FORGOTTEN, Unreachable, fate

UNKNOWN = ("unknown", "")


@dataclass(frozen=True)
class JobState:
    """A task: done, running, pending, failed, stopped or unknown; with the reason, its job, and its log."""

    name: str
    state: str
    reason: str
    job: str
    log: Path


def survey(folders: Iterable[Path]) -> tuple[dict[str, list[JobState]], str]:
    """Returns the tasks of each folder of submissions, and why Slurm did not answer, or "".

    A task that was submitted several times is listed once, with the state of its last submission.
    """
    arrays = {folder.name: _load_all(folder) for folder in folders}
    jobs = [array.job for group in arrays.values() for array in group if array.job and _is_open(array)]
    states: dict | None = {}
    trouble = ""
    try:
        states = slurm_client.squeue(jobs) if jobs else {}
    except (Unreachable, UserError) as error:
        states, trouble = None, str(error)
    rows = {}
    for name, group in arrays.items():
        latest: dict[str, JobState] = {}
        for array in group:
            statuses = array.statuses()
            for index, digest in enumerate(array.digests):
                latest[digest] = _row(array, index, statuses.get(index), states)
        if latest:
            rows[name] = list(latest.values())
    return rows, trouble


def _row(array: Array, index: int, status: dict | None, states: dict | None) -> JobState:
    task = array.tasks[index]
    state, reason = _state(array, index, status, states)
    return JobState(task.name, state, reason, f"{array.job}_{index}", task.log)


def _state(array: Array, index: int, status: dict | None, states: dict | None) -> tuple[str, str]:
    task = array.tasks[index]
    if status and status["state"] == "ended":
        if status["exit"] == 0:  # its last file may be gone: merging the features removes their parts
            return "done", ""
        return "failed", status["reason"] or f"exit status {exit_text(status['exit'] or 1)}"
    if not _is_open(array):
        return ("done", "") if task.done.is_file() else ("stopped", "")
    if states is None:
        return UNKNOWN
    state, reason = states.get((array.job, index), (FORGOTTEN, ""))
    why = fate(state, reason)
    if why:
        return "failed", why
    if state == "PENDING":
        return "pending", reason if reason != "None" else ""
    restarts = status["restarts"] if status else 0
    return "running", f"on {status['host']}" + (f", restart {restarts}" if restarts else "") if status else ""


def _load_all(folder: Path) -> list[Array]:
    places = sorted(folder.absolute().glob("[0-9][0-9][0-9][0-9]-*"))
    return [load(place) for place in places if (place / "job.json").is_file()]


def _is_open(array: Array) -> bool:
    return read_json(array.folder / "job.json")["state"] != "closed"
