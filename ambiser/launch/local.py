"""Runs tasks on this machine, no more at a time than cores and memory allow, each with its own log."""

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

import psutil

from ambiser.errors import DataError
from ambiser.io.console import log, progress
from ambiser.launch.failures import Failure, describe_failures, exit_status, exit_text
from ambiser.launch.job import Job
from ambiser.launch.resources import available_memory_bytes

GUARD = Path(__file__).with_name("guard.py")
THREADS = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
GRACE_S = 10.0
POLL_S = 0.05


@dataclass
class _Job:
    """A task that runs or ran."""

    task: Job
    process: subprocess.Popen
    stream: IO[bytes]
    log_start: int
    device: str | None
    started: float
    status: int = 0

    def memory_bytes(self) -> int:
        try:
            return psutil.Process(self.process.pid).memory_info().rss
        except psutil.Error:
            return 0


def run_jobs(tasks: Sequence[Job], *, slots: Sequence[str | None], memory_bytes: int, description: str) -> int:
    """Runs the tasks and says which failed.

    After a failure no new task starts; those that run are waited for. Ctrl-C and SIGTERM (as KeyboardInterrupt) stop
    all of them. A task that ends well without its last file counts as failed.

    Args:
        tasks: what to run, in this order.
        slots: the GPU of each task that may run at the same time, or None (see `device_slots`).
        memory_bytes: what one task needs at its peak; fewer tasks run when less is available, but at least one.
        description: what progress is shown of.

    Returns:
        0; 2 when each failed task ended with 2 (a fault of the user); else 1.
    """
    running: list[_Job] = []
    failed: list[_Job] = []
    ended = 0
    try:
        for job in progress(_run_pool(tasks, running, failed, deque(slots), memory_bytes), description, len(tasks)):
            ended += 1
            seconds = time.monotonic() - job.started
            if not sys.stderr.isatty():
                outcome = "failed" if job.status else "done"
                log.info("%s %d/%d  %s: %s in %.1f s", description, ended, len(tasks), job.task.name, outcome, seconds)
    finally:
        _stop(running)
    if failed:
        failures = [Failure(job.task.name, job.status, job.task.log, job.log_start) for job in failed]
        print(describe_failures(failures, len(tasks), len(tasks) - ended), file=sys.stderr)
        return exit_status(failures)
    return 0


def _run_pool(
    tasks: Sequence[Job], running: list[_Job], failed: list[_Job], slots: deque, memory_bytes: int
) -> Iterator[_Job]:
    """Yields each job when it has ended."""
    waiting = deque(tasks)
    while running or (waiting and not failed):
        while waiting and slots and not failed and _fits(running, memory_bytes):
            running.append(_start(waiting.popleft(), slots.popleft()))
        ended = [job for job in running if job.process.poll() is not None]
        for job in ended:
            running.remove(job)
            slots.append(job.device)
            _finish(job)
            if job.status:
                failed.append(job)
            yield job
        if not ended:
            time.sleep(POLL_S)


def _fits(running: Sequence[_Job], memory_bytes: int) -> bool:
    """Whether one more task fits beside what the running ones have not taken yet."""
    promised = sum(max(0, memory_bytes - job.memory_bytes()) for job in running)
    return not running or available_memory_bytes() - promised >= memory_bytes


def _start(task: Job, device: str | None) -> _Job:
    lines = [f"# command: {shlex.join(task.argv)}", f"# host: {socket.gethostname()}", f"# start: {_now()}", ""]
    try:
        task.log.parent.mkdir(parents=True, exist_ok=True)
        # Without a buffer: what Python keeps back would come after what the job writes.
        stream = task.log.open("ab", buffering=0)
        log_start = stream.tell()
        stream.write("\n".join(lines).encode())
    except OSError as error:
        raise DataError(f"{task.log}: cannot be written: {error.strerror}") from error
    environment = THREADS | os.environ
    if device is not None:
        environment["CUDA_VISIBLE_DEVICES"] = device
    # -I -S: the guard needs nothing but the standard library, and starts in a fifth of the time.
    command = [sys.executable, "-I", "-S", str(GUARD), str(os.getpid()), *task.argv]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, env=environment, start_new_session=True
    )
    return _Job(task, process, stream, log_start, device, time.monotonic())


def _finish(job: _Job) -> None:
    job.status = job.process.returncode
    lines = []
    if job.status == 0 and not job.task.done.is_file():
        lines.append(f"ended well, but {job.task.done} is not there")
        job.status = 1
    seconds = time.monotonic() - job.started
    lines += [f"# end: {_now()}", f"# seconds: {seconds:.1f}", f"# exit: {exit_text(job.status)}", ""]
    with job.stream, contextlib.suppress(OSError):  # a full disk: the job itself has failed of it, and says so
        job.stream.write("\n".join(lines).encode())


def _stop(running: Sequence[_Job]) -> None:
    """Ends the jobs with all their children: politely, then by force (at once on a second Ctrl-C)."""
    if not running:
        return
    deadline = time.monotonic() + GRACE_S
    try:
        _signal(running, signal.SIGTERM)
        while any(job.process.poll() is None for job in running) and time.monotonic() < deadline:
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        pass
    finally:
        _signal(running, signal.SIGKILL)
        for job in running:
            job.process.wait()
            _finish(job)


def _signal(running: Sequence[_Job], signum: int) -> None:
    for job in running:
        try:
            os.killpg(job.process.pid, signum)
        except ProcessLookupError:
            continue


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")
