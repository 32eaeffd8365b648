"""What people are told of jobs that failed: how many, and the end of the first log."""

import contextlib
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TAIL_LINES = 15
_RETRIED = {
    "COMPLETED",
    "FAILED",
    "TIMEOUT",
    "OUT_OF_MEMORY",
    "NODE_FAIL",
    "BOOT_FAIL",
    "PREEMPTED",
    "no longer knows the job",
}


@dataclass(frozen=True)
class Failure:
    """A task that failed.

    Attributes:
        name: of the task.
        status: exit status; below zero: the signal that killed it.
        log: what it printed.
        log_start: where the last attempt begins in the log.
        reason: takes the place of the exit status where there is none, for example "Slurm: TIMEOUT".
        said: what Slurm had to say about it.
    """

    name: str
    status: int
    log: Path
    log_start: int = 0
    reason: str = ""
    said: str = ""

    def what(self) -> str:
        """Says how it ended."""
        reason = f"{self.reason} ({self.said})" if self.said else self.reason
        return reason or f"exit status {exit_text(self.status)}"

    def can_be_retried(self) -> bool:
        """Whether another attempt may end better: not after a user's fault, or when a person or the site stops it."""
        stopped = self.reason.startswith("Slurm: ") and self.reason.removeprefix("Slurm: ") in _RETRIED
        return self.status != 2 and (not self.reason.startswith("Slurm: ") or stopped)


def describe_failures(failed: Sequence[Failure], total: int, not_started: int = 0) -> str:
    """Returns the number of failures and the last lines of the first one's log (of a user's fault: its message)."""
    lines = [f"{len(failed)} of {total} jobs failed" + (f", {not_started} were not started" if not_started else "")]
    first = failed[0]
    text = b""
    with contextlib.suppress(OSError):
        text = first.log.read_bytes()[first.log_start :]
    printed = [line for line in text.decode(errors="replace").splitlines() if not line.startswith("# ")]
    starts = [i for i, line in enumerate(printed) if ": error: " in line]
    shown = printed[starts[-1] :] if first.status == 2 and starts else printed[-TAIL_LINES:]
    lines.append(f"{first.name}, {first.what()}; log: {first.log}")
    return "\n".join([*lines, *(f"  | {line}" for line in shown)])


def exit_status(failed: Sequence[Failure]) -> int:
    """Returns 0 without failures, 2 when each failure ended with 2 (a fault of the user), else 1."""
    return 0 if not failed else 2 if all(failure.status == 2 for failure in failed) else 1


def exit_text(status: int) -> str:
    """Returns an exit status as a shell would give it, with the signal's name."""
    if status >= 0:
        return str(status)
    hint = "; out of memory?" if -status == signal.SIGKILL else ""
    return f"{128 - status} ({signal.Signals(-status).name}{hint})"
