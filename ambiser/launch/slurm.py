"""Runs tasks as arrays of Slurm, each with its own log, and says truly what became of them.

Tasks of an earlier launch that are still in the queue are taken over and not submitted again. Every submission is
written down before and after sbatch; one whose answer was lost is looked up by its name.
"""

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
    tasks: Sequence[Job],
    *,
    folder: Path,
    slurm: Slurm,
    request: JobRequest,
    description: str,
    wait: bool = True,
    after: Sequence[Path] = (),
) -> int:
    """Runs the tasks and says which failed.

    Failed tasks are submitted again, `slurm.retries` times, except those that a user's fault (exit status 2) or a
    person (scancel) ended. Ctrl-C and SIGTERM (as KeyboardInterrupt) cancel all.

    Args:
        tasks: what to run.
        folder: where submissions are recorded, one folder for each kind of work.
        slurm: the site.
        request: what these jobs ask for.
        description: what progress is shown of.
        wait: false: submit and return.
        after: folders of submissions; what of them is still in the queue must end well first.

    Returns:
        0; 2 when each failed task ended with 2 (a fault of the user); else 1.

    Raises:
        UserError: Slurm refused the submission, with its own message, or does not answer.
    """
    slurm_client.require_commands()
    arrays = _patiently(lambda: take_over(folder, tasks))
    before = _patiently(lambda: [array.job for place in after for array in find_living(place)])
    taken = {array.digests[index] for array in arrays for index in array.watched}
    new = [task for task in tasks if task_digest(task.argv) not in taken]
    if len(new) < len(tasks):
        log.info("%s: %d of %d jobs are in the queue already", description, len(tasks) - len(new), len(tasks))
    failed: list[Failure] = []
    try:
        _submit(new, arrays, folder=folder, slurm=slurm, request=request, after=before)
        if not wait:
            log.info("%s: %d jobs submitted: %s", description, len(new), " ".join(a.job for a in arrays))
            return 0
        ended = _with_retries(arrays, folder, slurm, request)
        for number, (task, failure) in enumerate(progress(ended, description, len(tasks)), start=1):
            failed += [failure] if failure else []
            if not sys.stderr.isatty():
                outcome = "failed" if failure else "done"
                log.info("%s %d/%d  %s: %s", description, number, len(tasks), task.name, outcome)
    except KeyboardInterrupt:
        _cancel(arrays)
        raise
    if failed:
        print(describe_failures(failed, len(tasks)), file=sys.stderr)
    return exit_status(failed)


def describe_submission(tasks: Sequence[Job], *, folder: Path, slurm: Slurm, request: JobRequest) -> str:
    """Returns what a dry run prints: the script, the line of sbatch, and the commands of the tasks."""
    array = Array(folder.absolute() / "NNNN-RUN", "RUN", list(tasks), [])
    line = shlex.join(["sbatch", *sbatch_options(array, request, slurm), "script.sh"])
    commands = [f"# {index}: {shlex.join(command_of(task, request))}" for index, task in enumerate(tasks)]
    return "\n".join(["# script.sh:", script(array.folder, request), line, *commands])


def refusals(slurm: Slurm, kinds: Sequence[str]) -> list[str]:
    """Returns a line for each kind of job (of `Slurm`) that Slurm would not take, with its own message.

    Raises:
        UserError: there is no Slurm, or it does not answer.
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


def take_over(folder: Path, tasks: Sequence[Job]) -> list[Array]:
    """Returns earlier submissions that have some of the tasks in the queue, and closes those that have ended.

    What of them has ended is no longer their business: it is done, or it is submitted again.
    """
    arrays = find_arrays(folder)
    alive = living(arrays)
    wanted = {task_digest(task.argv) for task in tasks}
    kept = []
    for array in arrays:
        indices = {index for job, index in alive if job == array.job}
        if not indices:
            array.record("closed")
        array.watched = {index for index in indices if array.digests[index] in wanted}
        kept += [array] if array.watched else []
    return kept


def find_living(folder: Path) -> list[Array]:
    """Returns earlier submissions that have a task in the queue."""
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
    """Submits tasks, in several arrays when the site allows no larger ones, and adds these to `arrays`."""
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
                log.warning("%d jobs that were submitted before go on; the same command takes them over", first)
            raise
        array.record("submitted")


def _submit_once(array: Array, options: Sequence[str]) -> str:
    """Submits, unless an attempt whose answer was lost had been taken all the same."""
    asked = array.folder / "asked"
    if asked.exists() and (found := find_submitted(array)):
        return found
    asked.touch()
    return slurm_client.sbatch(options, str(array.folder / "script.sh"))


def _with_retries(
    arrays: list[Array], folder: Path, slurm: Slurm, request: JobRequest
) -> Iterator[tuple[Job, Failure | None]]:
    """Yields every watched task with what became of it in the end."""
    for left in range(slurm.retries, -1, -1):
        again = []
        for task, failure in outcomes(arrays, poll_s=slurm.poll_s, late_s=slurm.late_s):
            if failure and left and failure.can_be_retried():
                log.info("%s: %s; it will be submitted again", task.name, failure.what())
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
    """Calls until Slurm's controller answers, for ten minutes."""
    deadline = time.monotonic() + PATIENCE_S
    told = False
    while True:
        try:
            return call()
        except Unreachable as error:
            if time.monotonic() > deadline:
                raise UserError(f"{error}; nothing can be submitted") from error
            if not told:
                log.warning("waiting for Slurm: %s", error)
                told = True
            time.sleep(RETRY_PAUSE_S)
