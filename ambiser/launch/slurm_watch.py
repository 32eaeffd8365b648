"""Waits until each task of the arrays has written its status file, or squeue no longer lists it."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ambiser.io.console import log
from ambiser.launch import slurm_client
from ambiser.launch.failures import Failure
from ambiser.launch.job import Job
from ambiser.launch.slurm_arrays import Array
from ambiser.launch.slurm_client import FORGOTTEN, Unreachable, fate

LEAST_PAUSE_S, LEAST_POLL_S = 0.2, 1.0
SETTLED_S = 3.0  # wait for the status file of a task that Slurm reports as killed: it may have ended by itself
SETTLED = ("CANCELLED", "TIMEOUT", "OUT_OF_MEMORY", "DEADLINE", "NODE_FAIL", "BOOT_FAIL")
Key = tuple[str, int]


def outcomes(arrays: Sequence[Array], *, poll_s: float, late_s: float) -> Iterator[tuple[Job, Failure | None]]:
    """Yields each watched job after its end, with its failure or None.

    Args:
        arrays: submissions with a job number.
        poll_s: longest pause (s) between two squeue calls; one call asks for all arrays.
        late_s: longest wait (s) for a file written on another node.
    """
    unfinished = {(array.job, index): array for array in arrays for index in sorted(array.watched)}
    queue = _Queue(poll_s)
    doubts: dict[Key, float] = {}  # when each ended task was first seen without its expected file
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
                slurm_client.scancel([f"{job}_{index}"])  # it is held and would wait forever
            if failure and failure.reason.startswith("Slurm: "):
                failure = replace(failure, said=array.said(index))
            yield task, failure
        time.sleep(min(poll_s, max(LEAST_PAUSE_S, (time.monotonic() - started) / 50)))


def _judge(
    task: Job, status: dict | None, state: tuple[str, str] | None, *, late_s: float
) -> tuple[Failure | None, float] | None:
    """Returns None while a task can still run, else its failure or None, and the wait (s) before that is final."""
    if status and status["state"] == "ended":
        if status["exit"] == 0:
            if task.done.is_file():
                return None, 0.0
            return _failure(task, status, f"{task.done} is missing"), late_s
        return _failure(task, status, status["reason"]), 0.0
    if state is None:  # squeue was not called yet
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
    """The last answer of squeue, which is called as rarely as possible."""

    def __init__(self, poll_s: float) -> None:
        self.states: dict[Key, tuple[str, str]] = {}
        self._poll_s, self._started, self._last, self._warned = poll_s, time.monotonic(), time.monotonic(), False

    def look(self, unfinished: dict[Key, Array]) -> None:
        """Calls squeue if it is due; while the controller does not answer, all states are unknown."""
        now = time.monotonic()
        if now - self._last < min(self._poll_s, max(LEAST_POLL_S, (now - self._started) / 10)):
            return
        self._last = now
        try:
            answer = slurm_client.squeue(sorted({job for job, _ in unfinished}))
        except Unreachable as error:
            if not self._warned:
                log.warning("waiting for Slurm: %s", error)
            self._warned = True
            # An old answer must not make a task fail that has ended well since.
            self.states = {}
            return
        if self._warned:
            log.info("Slurm answers again")
        self._warned = False
        self.states = {key: answer.get(key, (FORGOTTEN, "")) for key in unfinished}

    def may_run(self, key: Key) -> bool:
        """Whether the task is still in the queue."""
        return self.states.get(key, ("", ""))[0] in slurm_client.LIVE
