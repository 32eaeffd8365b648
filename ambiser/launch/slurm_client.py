"""Slurm's commands: each call, and what its answer means; Slurm's own message is what the user is told."""

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


class Unreachable(Exception):
    """Slurm's controller does not answer; nothing can be said of any job."""


def require_commands() -> None:
    """Checks that Slurm's commands can be run.

    Raises:
        UserError: there is no sbatch.
    """
    if not shutil.which("sbatch"):
        raise UserError("sbatch is not there; --launcher slurm needs Slurm's commands in PATH, on a login node")


def sbatch(options: Sequence[str], script: str) -> str:
    """Submits a script and returns the number of the job.

    Raises:
        Unreachable: the controller did not answer; the job may have been taken all the same.
        UserError: Slurm refused it.
    """
    return ask(["sbatch", "--parsable", *options, script]).strip().partition(";")[0]


def squeue(jobs: Sequence[str]) -> dict[tuple[str, int], tuple[str, str]]:
    """Returns state and reason of every task that Slurm still knows, by job and index; one call for all.

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
    """Returns the number of the job with this name, or None when Slurm knows of none.

    Raises:
        Unreachable: the controller did not answer.
    """
    numbers = ask(["squeue", "-h", "-t", "all", "--name", name, "-o", "%F"]).split()
    return numbers[0] if numbers else None


def scancel(jobs: Sequence[str]) -> None:
    """Cancels jobs, or tasks (JOB_INDEX); those that have ended are no fault."""
    # In a session of its own, so that a second Ctrl-C does not end it.
    subprocess.run(
        ["scancel", *jobs], capture_output=True, stdin=subprocess.DEVNULL, start_new_session=True, timeout=60
    )


def max_array_size() -> int:
    """Returns how many tasks an array may have."""
    match = re.search(r"^MaxArraySize\s*=\s*(\d+)", ask(["scontrol", "show", "config"]), re.MULTILINE)
    return max(1, int(match.group(1))) if match else 1000


def fate(state: str, reason: str) -> str:
    """Returns "" while a task may still run, else why it never will (again)."""
    if state not in LIVE:
        return f"Slurm: {state}"
    # "(launch failed requeued held)" is what a node that cannot start anything leaves behind.
    if state == "PENDING" and (reason in HOPELESS or re.search(r"held|hold", reason, re.IGNORECASE)):
        return f"Slurm: {reason}"
    return ""


def ask(command: list[str]) -> str:
    """Runs a command of Slurm and returns what it prints.

    Raises:
        Unreachable: the controller did not answer.
        UserError: it failed, with Slurm's own message as one line.
    """
    # A launcher inside a job must not hand that job's variables on; SLURM_CONF says which Slurm it is.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "SBATCH_", "SQUEUE_"))}
    environment |= {k: v for k, v in os.environ.items() if k == "SLURM_CONF"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL, timeout=120
        )
    except FileNotFoundError as error:
        raise UserError(f"{command[0]} is not there; --launcher slurm needs Slurm's commands in PATH") from error
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
