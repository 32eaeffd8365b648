"""Calls Slurm's commands and reads their answers; errors carry Slurm's own message."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence

from ambiser.errors import UserError

UNREACHABLE = re.compile(
    r"Unable to contact slurm controller|Socket timed out|Connection refused|Communication connection failure"
    r"|Zero Bytes were transmitted|Transport endpoint|temporarily unable|connect failure",
    re.IGNORECASE,
)
GONE = re.compile(r"Invalid job id", re.IGNORECASE)
LIVE = {
    "PENDING",
    "RUNNING",
    "CONFIGURING",
    "COMPLETING",
    "SUSPENDED",
    "REQUEUED",
    "REQUEUE_FED",
    "STAGE_OUT",
    "SIGNALING",
    "RESIZING",
    "STOPPED",
}
HOPELESS = {
    "DependencyNeverSatisfied",
    "BadConstraints",
    "PartitionTimeLimit",
    "PartitionNodeLimit",
    "InvalidAccount",
    "InvalidQOS",
    "AccountNotAllowed",
    "QOSNotAllowed",
}


FORGOTTEN = "no longer knows the job"
"""The state of a task that squeue does not list."""


class Unreachable(Exception):
    """Slurm's controller does not answer, so the state of all jobs is unknown."""


def require_commands() -> None:
    """Checks that Slurm's commands are installed.

    Raises:
        UserError: sbatch is missing.
    """
    if not shutil.which("sbatch"):
        raise UserError("sbatch is missing; --launcher slurm needs Slurm's commands in PATH, on a login node")


def sbatch(options: Sequence[str], script: str) -> str:
    """Submits a script and returns the job number.

    Raises:
        Unreachable: the controller did not answer; it may have accepted the job.
        UserError: Slurm refused it.
    """
    return ask(["sbatch", "--parsable", *options, script]).strip().partition(";")[0]


def squeue(jobs: Sequence[str]) -> dict[tuple[str, int], tuple[str, str]]:
    """Returns state and reason of every task that Slurm still lists, by job number and index, with one call.

    Raises:
        Unreachable: the controller did not answer.
    """
    try:
        answer = ask(["squeue", "-h", "-r", "-t", "all", "-j", ",".join(jobs), "-o", "%F|%K|%T|%r"])
    except UserError as error:
        if GONE.search(str(error)):
            return {}
        raise
    states = {}
    for line in answer.splitlines():
        job, index, state, reason = (line.split("|", 3) + [""] * 4)[:4]
        if index.isdigit():
            states[job, int(index)] = (state, reason)
    return states


def find_job(name: str) -> str | None:
    """Returns the number of the job with this name, or None.

    Raises:
        Unreachable: the controller did not answer.
    """
    numbers = ask(["squeue", "-h", "-t", "all", "--name", name, "-o", "%F"]).split()
    return numbers[0] if numbers else None


def scancel(jobs: Sequence[str]) -> None:
    """Cancels jobs or tasks (JOB_INDEX); ended ones are ignored."""
    # In its own session, so that a second Ctrl-C does not stop it.
    subprocess.run(
        ["scancel", *jobs], capture_output=True, stdin=subprocess.DEVNULL, start_new_session=True, timeout=60
    )


def max_array_size() -> int:
    """Returns the maximum number of tasks of an array."""
    match = re.search(r"^MaxArraySize\s*=\s*(\d+)", ask(["scontrol", "show", "config"]), re.MULTILINE)
    return max(1, int(match.group(1))) if match else 1000


def fate(state: str, reason: str) -> str:
    """Returns "" while a task can still run, else the reason why it cannot."""
    if state not in LIVE:
        return f"Slurm: {state}"
    # A node that cannot start jobs leaves them as "(launch failed requeued held)".
    if state == "PENDING" and (reason in HOPELESS or re.search(r"held|hold", reason, re.IGNORECASE)):
        return f"Slurm: {reason}"
    return ""


def ask(command: list[str]) -> str:
    """Runs a Slurm command and returns its output.

    Raises:
        Unreachable: the controller did not answer.
        UserError: it failed; the message is Slurm's, in one line.
    """
    # A launcher inside a job must not pass on that job's variables; SLURM_CONF selects the cluster and stays.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "SBATCH_", "SQUEUE_"))}
    environment |= {k: v for k, v in os.environ.items() if k == "SLURM_CONF"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL, timeout=120
        )
    except FileNotFoundError as error:
        raise UserError(f"{command[0]} is missing; --launcher slurm needs Slurm's commands in PATH") from error
    except subprocess.TimeoutExpired as error:
        raise Unreachable(f"{command[0]} did not answer in 120 s") from error
    if done.returncode == 0:
        return done.stdout
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    errors = [line for line in said if "error:" in line or "fatal:" in line] or said
    message = "; ".join(dict.fromkeys(errors)) or f"{command[0]} ended with status {done.returncode}"
    if UNREACHABLE.search(message) and "configuration source" not in message:
        raise Unreachable(message)
    raise UserError(message)
