"""Runs jobs on this machine, as many at a time as cores and memory allow, each with its own log."""

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
from ambiser.launch.warm import ForkedProcess, WarmWorkers, connect

GUARD = Path(__file__).with_name("guard.py")
THREADS = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
GRACE_S = 10.0
POLL_S = 0.05


@dataclass
class _Process:
    """The process of a job, while it runs and after its end."""

    job: Job
    process: subprocess.Popen | ForkedProcess
    stream: IO[bytes]
    log_start: int
    device: str | None
    started: float
    status: int = 0

    def memory_bytes(self) -> int:
        try:
            used = psutil.Process(self.process.pid).memory_info()
            return used.rss - getattr(used, "shared", 0)  # pages of mapped files can be dropped
        except psutil.Error:
            return 0


def run_jobs(
    jobs: Sequence[Job],
    *,
    slots: Sequence[str | None],
    memory_bytes: int,
    description: str,
    modules: Sequence[str] = (),
) -> int:
    """Runs the jobs and reports the failed ones.

    After a failure no new job starts, and the running ones finish. Ctrl-C and SIGTERM (as KeyboardInterrupt) stop all
    of them. A job that exits with 0 without writing its last file has failed.

    Args:
        jobs: in the order in which they start.
        slots: one entry per job that can run at the same time: its GPU, or None (see `device_slots`).
        memory_bytes: the peak memory of one job; fewer jobs run if less is available, but at least one.
        description: the name of the work, for log lines.
        modules: what jobs import; a fork server imports them once (see `warm.py`).

    Returns:
        0; 2 if all failed jobs have status 2 (errors of the user); else 1.
    """
    running: list[_Process] = []
    failed: list[_Process] = []
    ended = 0
    workers = None
    try:
        workers = connect(modules, THREADS | os.environ, len(jobs))
        pool = _run_pool(jobs, running, failed, deque(slots), memory_bytes, workers)
        for one in progress(pool, description, len(jobs)):
            ended += 1
            seconds = time.monotonic() - one.started
            if not sys.stderr.isatty():
                outcome = "failed" if one.status else "done"
                log.info("%s %d/%d  %s: %s in %.1f s", description, ended, len(jobs), one.job.name, outcome, seconds)
    finally:
        _stop(running)
        if workers is not None:
            workers.close()
    if failed:
        failures = [Failure(one.job.name, one.status, one.job.log, one.log_start) for one in failed]
        print(describe_failures(failures, len(jobs), len(jobs) - ended), file=sys.stderr)
        return exit_status(failures)
    return 0


def _run_pool(
    jobs: Sequence[Job],
    running: list[_Process],
    failed: list[_Process],
    slots: deque,
    memory_bytes: int,
    workers: WarmWorkers | None,
) -> Iterator[_Process]:
    """Yields each process after its end; keeps `running` and `failed` up to date for the caller."""
    waiting = deque(jobs)
    while running or (waiting and not failed):
        while slots and not failed and (job := _next(waiting, running)) and _fits(running, memory_bytes):
            waiting.remove(job)
            running.append(_start(job, slots.popleft(), workers))
        ended = [one for one in running if one.process.poll() is not None]
        for one in ended:
            running.remove(one)
            slots.append(one.device)
            _finish(one)
            if isinstance(one.process, ForkedProcess) and one.process.lost:
                waiting.appendleft(one.job)  # now a cold start; a training resumes
                continue
            if one.status:
                failed.append(one)
            yield one
        if not ended:
            time.sleep(POLL_S)


def _next(waiting: Sequence[Job], running: Sequence[_Process]) -> Job | None:
    """Returns the first job that is not like a running one."""
    busy = {one.job.alike for one in running} - {""}
    return next((job for job in waiting if job.alike not in busy), None)


def _fits(running: Sequence[_Process], memory_bytes: int) -> bool:
    """Whether the free memory, less the growth still expected of the running jobs, holds one more job."""
    expected = sum(max(0, memory_bytes - one.memory_bytes()) for one in running)
    return not running or available_memory_bytes() - expected >= memory_bytes


def _start(job: Job, device: str | None, workers: WarmWorkers | None) -> _Process:
    lines = [f"# command: {shlex.join(job.argv)}", f"# host: {socket.gethostname()}", f"# start: {_now()}", ""]
    try:
        job.log.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered: the job writes to the same file, and our lines must come in order.
        stream = job.log.open("ab", buffering=0)
        log_start = stream.tell()
        stream.write("\n".join(lines).encode())
    except OSError as error:
        raise DataError(f"{job.log}: cannot be written: {error.strerror}") from error
    environment = THREADS | os.environ
    if device is not None:
        environment["CUDA_VISIBLE_DEVICES"] = device
    process = None if workers is None else workers.start(job.argv, environment, stream)
    return _Process(job, process or _start_cold(job, environment, stream), stream, log_start, device, time.monotonic())


def _start_cold(job: Job, environment: dict[str, str], stream: IO[bytes]) -> subprocess.Popen:
    # -I -S: the guard needs the standard library only, and starts five times as fast.
    command = [sys.executable, "-I", "-S", str(GUARD), str(os.getpid()), *job.argv]
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, env=environment, start_new_session=True
    )


def _finish(one: _Process) -> None:
    """Sets the status, and writes the end of the log."""
    one.status = one.process.returncode
    lines = []
    if one.status == 0 and not one.job.done.is_file():
        lines.append(f"exit status 0, but {one.job.done} is missing")
        one.status = 1
    seconds = time.monotonic() - one.started
    lines += [f"# end: {_now()}", f"# seconds: {seconds:.1f}", f"# exit: {exit_text(one.status)}", ""]
    with one.stream, contextlib.suppress(OSError):  # a full disk makes the job itself fail, with a message
        one.stream.write("\n".join(lines).encode())


def _stop(running: Sequence[_Process]) -> None:
    """Stops the jobs with all their children by SIGTERM, then by SIGKILL (at once on a second Ctrl-C)."""
    if not running:
        return
    deadline = time.monotonic() + GRACE_S
    try:
        _signal(running, signal.SIGTERM)
        while any(one.process.poll() is None for one in running) and time.monotonic() < deadline:
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        pass
    finally:
        _signal(running, signal.SIGKILL)
        for one in running:
            one.process.wait()
            _finish(one)


def _signal(running: Sequence[_Process], signum: int) -> None:
    for one in running:
        try:
            os.killpg(one.process.pid, signum)
        except ProcessLookupError:
            continue


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")
