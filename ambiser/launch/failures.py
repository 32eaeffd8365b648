"""Formats job-failure messages: the number of failures and the end of the first log."""

import contextlib
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ambiser.launch.slurm_client import FORGOTTEN

TAIL_LINES = 15
_RETRIED = {  # states of Slurm
    "COMPLETED",
    "FAILED",
    "TIMEOUT",
    "OUT_OF_MEMORY",
    "NODE_FAIL",
    "BOOT_FAIL",
    "PREEMPTED",
    FORGOTTEN,
}


@dataclass(frozen=True)
class Failure:
    """A job that failed.

    Attributes:
        name: the name of the job.
        status: the exit status, or minus the signal that killed the command.
        log: the log file.
        log_start: the position in the log at which the last attempt begins, in bytes.
        reason: replaces the exit status in messages, for example "Slurm: TIMEOUT".
        said: Slurm's own error message, if any.
    """

    name: str
    status: int
    log: Path
    log_start: int = 0
    reason: str = ""
    said: str = ""

    def what(self) -> str:
        """Returns the reason for the failure."""
        reason = f"{self.reason} ({self.said})" if self.said else self.reason
        return reason or f"exit status {exit_text(self.status)}"

    def can_be_retried(self) -> bool:
        """Whether a retry may succeed: not after an error of the user (status 2), scancel, or a refusal by the site."""
        stopped = self.reason.startswith("Slurm: ") and self.reason.removeprefix("Slurm: ") in _RETRIED
        return self.status != 2 and (not self.reason.startswith("Slurm: ") or stopped)


def describe_failures(failed: Sequence[Failure], total: int, not_started: int = 0) -> str:
    """Returns the number of failures and the last lines of the first log, or its message after an error of the user."""
    lines = [f"{len(failed)} of {total} jobs failed" + (f", {not_started} were not started" if not_started else "")]
    first = failed[0]
    text = b""
    with contextlib.suppress(OSError):
        text = first.log.read_bytes()[first.log_start :]
    printed = [line for line in text.decode(errors="replace").splitlines() if not line.startswith("# ")]
    # After an error of the user the message is enough; after a bug the end of the traceback is needed.
    starts = [i for i, line in enumerate(printed) if ": error: " in line]
    shown = printed[starts[-1] :] if first.status == 2 and starts else printed[-TAIL_LINES:]
    lines.append(f"{first.name}, {first.what()}; log: {first.log}")
    return "\n".join([*lines, *(f"  | {line}" for line in shown)])


def exit_status(failed: Sequence[Failure]) -> int:
    """Returns 0 without failures, 2 if all failures have status 2 (errors of the user), else 1."""
    return 0 if not failed else 2 if all(failure.status == 2 for failure in failed) else 1


def exit_text(status: int) -> str:
    """Returns an exit status as in a shell, with the name of the signal."""
    if status >= 0:
        return str(status)
    hint = "; out of memory?" if -status == signal.SIGKILL else ""
    return f"{128 - status} ({signal.Signals(-status).name}{hint})"
