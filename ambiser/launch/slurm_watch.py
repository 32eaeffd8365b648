"""Waits for the tasks of arrays: the truth is the status file that a task wrote; Slurm tells when none will come."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ambiser.io.console import log
from ambiser.launch import slurm_client
from ambiser.launch.failures import Failure
from ambiser.launch.job import Job
from ambiser.launch.slurm_arrays import Array
from ambiser.launch.slurm_client import Unreachable, fate

LEAST_PAUSE_S, LEAST_POLL_S = 0.2, 1.0
SETTLED_S = 3.0  # how long a task that Slurm has killed may still be expected to have ended by itself
SETTLED = ("CANCELLED", "TIMEOUT", "OUT_OF_MEMORY", "DEADLINE", "NODE_FAIL", "BOOT_FAIL")
Key = tuple[str, int]


def outcomes(arrays: Sequence[Array], *, poll_s: float, late_s: float) -> Iterator[tuple[Job, Failure | None]]:
    """Yields each watched task of arrays when it has ended, with its failure or None.

    Args:
        arrays: submissions that have a job.
        poll_s: most seconds between two looks at the queue; one call of squeue is made for all arrays.
        late_s: seconds after which a file that another machine wrote must be visible.
    """
    unfinished = {(array.job, index): array for array in arrays for index in sorted(array.watched)}
    queue = _Queue(poll_s)
    doubts: dict[Key, float] = {}  # since when a task has ended without what shows how
    started = time.monotonic()
    while unfinished:
        queue.look(unfinished)
        statuses = {job: array.statuses() for job, array in {a.job: a for a in unfinished.values()}.items()}
        for (job, index), array in list(unfinished.items()):
            key, task, status = (job, index), array.tasks[index], statuses[job].get(index)
            verdict = _judge(task, status, queue.states.get(key), late_s=late_s)
            if verdict is None:
                doubts.pop(key, None)
                continue
            failure, patience_s = verdict
            if time.monotonic() - doubts.setdefault(key, time.monotonic()) < patience_s:
                continue
            del unfinished[key]
            if failure and failure.reason and queue.may_run(key):
                slurm_client.scancel([f"{job}_{index}"])  # it is held and would wait for ever
            if failure and failure.reason.startswith("Slurm: "):
                failure = replace(failure, said=array.said(index))
            yield task, failure
        time.sleep(min(poll_s, max(LEAST_PAUSE_S, (time.monotonic() - started) / 50)))


def _judge(
    task: Job, status: dict | None, state: tuple[str, str] | None, *, late_s: float
) -> tuple[Failure | None, float] | None:
    """Returns None while a task may still do something, else its failure or None, and how long that must last."""
    if status and status["state"] == "ended":
        if status["exit"] == 0:
            if task.done.is_file():
                return None, 0.0
            return _failure(task, status, f"{task.done} is not there"), late_s
        return _failure(task, status, status["reason"]), 0.0
    if state is None:  # nobody has looked yet
        return None
    why = fate(*state)
    if not why:
        return None
    settled = state[0].startswith(SETTLED)
    patience_s = 0.0 if state[0] == "PENDING" else min(SETTLED_S, late_s) if settled else late_s
    return _failure(task, status, why), patience_s


def _failure(task: Job, status: dict | None, reason: str) -> Failure:
    code = status["exit"] if status and status["exit"] else 1
    return Failure(task.name, code, task.log, status.get("log_start", 0) if status else 0, reason)


class _Queue:
    """What squeue said last, asked no more often than it needs to be."""

    def __init__(self, poll_s: float) -> None:
        self.states: dict[Key, tuple[str, str]] = {}
        self._poll_s, self._started, self._last, self._told = poll_s, time.monotonic(), time.monotonic(), False

    def look(self, unfinished: dict[Key, Array]) -> None:
        """Asks Slurm when it is time to; while its controller does not answer, what it said before stands."""
        now = time.monotonic()
        if now - self._last < min(self._poll_s, max(LEAST_POLL_S, (now - self._started) / 10)):
            return
        self._last = now
        try:
            answer = slurm_client.squeue(sorted({job for job, _ in unfinished}))
        except Unreachable as error:
            if not self._told:
                log.warning("waiting for Slurm: %s", error)
            self._told = True
            # What was said before must not condemn anything that has not ended since.
            self.states = {}
            return
        if self._told:
            log.info("Slurm answers again")
        self._told = False
        self.states = {key: answer.get(key, ("no longer knows the job", "")) for key in unfinished}

    def may_run(self, key: Key) -> bool:
        """Whether Slurm still has the task in its queue."""
        return self.states.get(key, ("", ""))[0] in slurm_client.LIVE
