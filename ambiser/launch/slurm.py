"""Runs jobs as tasks of Slurm arrays, each with its own log, and reports their outcome.

Jobs of an earlier launch that are still in the queue are taken over, not submitted again. Every submission is recorded
before and after sbatch; if the answer of sbatch was lost, the submission is looked up by its name.
"""

import contextlib
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from ambiser.config.site import JobRequest, Slurm
from ambiser.errors import UserError
from ambiser.io.console import log, progress
from ambiser.launch import slurm_client
from ambiser.launch.failures import Failure, describe_failures, exit_status
from ambiser.launch.job import Job
from ambiser.launch.slurm_arrays import (
    Array,
    command_of,
    find_arrays,
    find_submitted,
    living,
    prepare,
    sbatch_options,
    script,
    task_digest,
)
from ambiser.launch.slurm_client import Unreachable
from ambiser.launch.slurm_watch import outcomes

RETRY_PAUSE_S = 2.0
PATIENCE_S = 600.0
T = TypeVar("T")


def run_jobs(
    jobs: Sequence[Job],
    *,
    folder: Path,
    slurm: Slurm,
    request: JobRequest,
    description: str,
    wait: bool = True,
    after: Sequence[Path] = (),
) -> int:
    """Runs the jobs and reports the failed ones.

    Failed jobs are retried `slurm.retries` times, unless an error of the user (exit status 2) or scancel ended them.
    Ctrl-C and SIGTERM (as KeyboardInterrupt) cancel all jobs.

    Args:
        jobs: the jobs; each becomes one task of an array.
        folder: where submissions are recorded; one folder per stage.
        slurm: the settings of the site.
        request: the resources of one job.
        description: the name of the work, for log lines.
        wait: false: submit and return.
        after: folders of submissions that must succeed first.

    Returns:
        0; 2 if all failed jobs have status 2 (errors of the user); else 1.

    Raises:
        UserError: Slurm refuses the submission (with Slurm's message) or does not answer.
    """
    slurm_client.require_commands()
    arrays = _patiently(lambda: take_over(folder, jobs))
    before = _patiently(lambda: [array.job for place in after for array in find_living(place)])
    new = _not_queued(jobs, arrays, description)
    with _cancelled_by_interrupt(arrays):
        _submit(new, arrays, folder=folder, slurm=slurm, request=request, after=before)
        if not wait:
            log.info("%s: %d jobs submitted: %s", description, len(new), " ".join(a.job for a in arrays))
            return 0
        return _wait(_with_retries(arrays, folder, slurm, request), description, len(jobs))


@contextlib.contextmanager
def _cancelled_by_interrupt(arrays: list[Array]) -> Iterator[None]:
    """Cancels all jobs of the arrays on Ctrl-C and SIGTERM."""
    try:
        yield
    except KeyboardInterrupt:
        _cancel(arrays)
        raise


def _not_queued(jobs: Sequence[Job], arrays: Sequence[Array], description: str) -> list[Job]:
    """Returns the jobs that no array watches; logs the number of the others."""
    queued = {array.digests[index] for array in arrays for index in array.watched}
    new = [job for job in jobs if task_digest(job.argv) not in queued]
    if len(new) < len(jobs):
        log.info("%s: %d of %d jobs are in the queue already", description, len(jobs) - len(new), len(jobs))
    return new


def _wait(ended: Iterator[tuple[Job, Failure | None]], description: str, total: int) -> int:
    """Waits for all jobs, logs each, prints the failures, and returns the exit status."""
    failed: list[Failure] = []
    for number, (job, failure) in enumerate(progress(ended, description, total), start=1):
        failed += [failure] if failure else []
        if not sys.stderr.isatty():
            outcome = "failed" if failure else "done"
            log.info("%s %d/%d  %s: %s", description, number, total, job.name, outcome)
    if failed:
        print(describe_failures(failed, total), file=sys.stderr)
    return exit_status(failed)


def describe_submission(jobs: Sequence[Job], *, folder: Path, slurm: Slurm, request: JobRequest) -> str:
    """Returns the text of a dry run: the script, the sbatch command, and the commands of the tasks."""
    array = Array(folder.absolute() / "NNNN-RUN", "RUN", list(jobs), [])
    line = shlex.join(["sbatch", *sbatch_options(array, request, slurm), "script.sh"])
    commands = [f"# {index}: {shlex.join(command_of(job, request))}" for index, job in enumerate(jobs)]
    return "\n".join(["# script.sh:", script(array.folder, request), line, *commands])


def refusals(slurm: Slurm, kinds: Sequence[str]) -> list[str]:
    """Returns one line per kind of job (a key of `Slurm`) that Slurm would refuse, with Slurm's message.

    Raises:
        UserError: Slurm's commands are missing, or Slurm does not answer.
    """
    slurm_client.require_commands()
    lines = []
    for kind in kinds:
        array = Array(Path("test").absolute(), "test", [Job("test", ("true",), Path("log"), Path("done"))], [])
        options = ["--test-only", *sbatch_options(array, getattr(slurm, kind), slurm), "--wrap=true"]
        try:
            slurm_client.ask(["sbatch", *options])
        except Unreachable as error:
            raise UserError(str(error)) from error
        except UserError as error:
            lines.append(f"{kind}: {error}")
    return lines


def take_over(folder: Path, jobs: Sequence[Job]) -> list[Array]:
    """Returns earlier submissions that have some of these jobs in the queue, and closes those that have ended.

    Their ended tasks are not watched: such a job is done, or it is submitted again.
    """
    arrays = find_arrays(folder)
    alive = living(arrays)
    wanted = {task_digest(job.argv) for job in jobs}
    kept = []
    for array in arrays:
        indices = {index for job, index in alive if job == array.job}
        if not indices:
            array.record("closed")
        array.watched = {index for index in indices if array.digests[index] in wanted}
        kept += [array] if array.watched else []
    return kept


def find_living(folder: Path) -> list[Array]:
    """Returns earlier submissions with a task in the queue."""
    arrays = find_arrays(folder)
    jobs = {job for job, _ in living(arrays)}
    return [array for array in arrays if array.job in jobs]


def _submit(
    tasks: Sequence[Job],
    arrays: list[Array],
    *,
    folder: Path,
    slurm: Slurm,
    request: JobRequest,
    after: Sequence[str] = (),
) -> None:
    """Submits jobs, in several arrays if the site limits their size, and appends these to `arrays`."""
    size = _patiently(slurm_client.max_array_size) if tasks else 1
    for first in range(0, len(tasks), size):
        array = prepare(folder, tasks[first : first + size], request, slurm.requeues)
        arrays.append(array)
        options = sbatch_options(array, request, slurm, after)
        try:
            array.job = _patiently(lambda a=array, o=options: _submit_once(a, o))
        except UserError:
            array.record("closed")
            arrays.remove(array)
            if first:
                log.warning("%d jobs submitted before this error keep running; the same command waits for them", first)
            raise
        array.record("submitted")


def _submit_once(array: Array, options: Sequence[str]) -> str:
    """Submits, unless Slurm accepted an earlier attempt whose answer was lost."""
    asked = array.folder / "asked"
    if asked.exists() and (found := find_submitted(array)):
        return found
    asked.touch()
    return slurm_client.sbatch(options, str(array.folder / "script.sh"))


def _with_retries(
    arrays: list[Array], folder: Path, slurm: Slurm, request: JobRequest
) -> Iterator[tuple[Job, Failure | None]]:
    """Yields every watched job after its last attempt, with its failure or None."""
    for left in range(slurm.retries, -1, -1):
        again = []
        for task, failure in outcomes(arrays, poll_s=slurm.poll_s, late_s=slurm.late_s):
            if failure and left and failure.can_be_retried():
                log.info("%s: %s; retrying", task.name, failure.what())
                again.append(task)
            else:
                yield task, failure
        for array in arrays:
            if len(array.watched) == len(array.tasks):
                array.record("closed")
        if not again:
            return
        arrays.clear()
        _submit(again, arrays, folder=folder, slurm=slurm, request=request)


def _cancel(arrays: Sequence[Array]) -> None:
    """Cancels all jobs, by name where sbatch has not answered."""
    jobs = [array.job for array in arrays if array.job]
    if jobs:
        log.info("cancelling jobs %s", " ".join(jobs))
        slurm_client.scancel(jobs)
    for array in arrays:
        if array.job:
            array.record("closed")
        else:
            slurm_client.scancel(["--name", array.name])


def _patiently(call: Callable[[], T]) -> T:
    """Calls until Slurm's controller answers, for at most PATIENCE_S."""
    deadline = time.monotonic() + PATIENCE_S
    warned = False
    while True:
        try:
            return call()
        except Unreachable as error:
            if time.monotonic() > deadline:
                raise UserError(f"{error}; gave up after {PATIENCE_S / 60:.0f} minutes") from error
            if not warned:
                log.warning("waiting for Slurm: %s", error)
                warned = True
            time.sleep(RETRY_PAUSE_S)
