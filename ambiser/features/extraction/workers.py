"""Runs worker processes: a killed worker costs its task only; if the parent is killed, all workers end.

Each worker loads its state once (a model), reports its facts, and then works through tasks, sending events as they
happen.
"""

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from ambiser.errors import ConfigError, DataError, UserError
from ambiser.io.console import log

_ERRORS = {"ConfigError": ConfigError, "DataError": DataError, "UserError": UserError}


@dataclass(frozen=True)
class At:
    """Marks the item that a task starts with next, so that the item can be named if the worker is killed."""

    item: str


@dataclass(frozen=True)
class Killed:
    """A task whose worker was killed twice, the second time while it was the only worker; and the item it was at."""

    task: object
    item: str
    how: str


def run_tasks(
    make: Callable,
    argument: object,
    tasks: Sequence[object],
    *,
    processes: int,
    start: Callable[[object], int | None],
    first: object = None,
) -> Iterator[object]:
    """Runs tasks in worker processes and yields their events, and a `Killed` for each task that killed two workers.

    The first worker starts alone, so that a download or a fault happens once. A task whose worker is killed (usually
    for lack of memory) is retried at the end by a single worker.

    Args:
        make: a module-level function, called once per worker with `argument`; returns (work, facts), where work(task)
            yields the events of a task, and an `At` before each item.
        argument: what `make` needs.
        tasks: in the order in which they start.
        processes: largest number of workers.
        start: called in this process with the facts of the first worker, before any task starts; may return another
            number of workers.
        first: argument of the first worker, if it differs.

    Raises:
        UserError: raised by a worker, or a worker was killed before it was ready.
        RuntimeError: a bug in a worker, with its traceback.
    """
    pool = _Pool(make, argument)
    schedule = _Schedule(pool, list(tasks)[::-1], processes, start)
    try:
        pool.add(first)
        while pool.workers:
            for connection in multiprocessing.connection.wait(list(pool.workers)):
                kind, value = pool.receive(connection)
                if kind == "event" or (kind == "killed" and schedule.is_retry):
                    yield value
                schedule.react(connection, kind, value)
    finally:
        pool.stop()


@dataclass
class _Worker:
    process: multiprocessing.Process
    task: object = None
    item: str = "its start"


class _Pool:
    def __init__(self, make: Callable, argument: object) -> None:
        self.workers: dict[Connection, _Worker] = {}
        self._context = multiprocessing.get_context("spawn")
        self._make, self._argument = make, argument

    def add(self, argument: object = None) -> None:
        ours, theirs = self._context.Pipe()
        argument = self._argument if argument is None else argument
        process = self._context.Process(target=_work, args=(theirs, self._make, argument), daemon=True)
        with _ignored_interrupts():
            process.start()
        theirs.close()
        self.workers[ours] = _Worker(process)

    def give(self, connection: Connection, task: object) -> None:
        worker = self.workers[connection]
        worker.task, worker.item = task, "its start"
        with contextlib.suppress(OSError):  # a killed worker is noticed when its answer is read
            connection.send(task)

    def receive(self, connection: Connection) -> tuple[str, object]:
        try:
            kind, value = connection.recv()
        except (EOFError, OSError) as error:
            return "killed", self._bury(connection, error)
        if kind == "fault":
            name, text = value
            raise _ERRORS[name](text)
        if kind == "bug":
            raise RuntimeError(f"in a worker process:\n{value}")
        if kind == "at":
            self.workers[connection].item = value
        return kind, value

    def _bury(self, connection: Connection, error: Exception) -> Killed:
        worker = self.workers.pop(connection)
        connection.close()
        worker.process.join(5)
        code = worker.process.exitcode
        how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with status {code}"
        if worker.task is None:
            raise UserError(
                f"a worker process {how} before it was ready, often for lack of memory; finished shards are kept: "
                "run the same command again, with a smaller --nj if memory is short"
            ) from error
        return Killed(worker.task, worker.item, how)

    def dismiss(self, connection: Connection) -> None:
        with contextlib.suppress(OSError):
            connection.send(None)
        self.workers.pop(connection).process.join(10)
        connection.close()

    def stop(self) -> None:
        for worker in self.workers.values():
            worker.process.terminate()
        for connection, worker in self.workers.items():
            worker.process.join(5)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            connection.close()
        self.workers.clear()


@dataclass
class _Schedule:
    """Which worker gets which task, and which tasks are retried.

    Attributes:
        pool: the workers.
        queue: tasks left, the next one last.
        processes: largest number of workers.
        start: see `run_tasks`.
        postponed: tasks whose worker was killed.
        is_retry: whether the postponed tasks are running.
        is_started: whether the first worker was ready.
    """

    pool: _Pool
    queue: list[object]
    processes: int
    start: Callable[[object], int | None]
    postponed: list[object] = field(default_factory=list)
    is_retry: bool = False
    is_started: bool = False

    def react(self, connection: Connection, kind: str, value: object) -> None:
        """Gives a worker its next task, replaces a killed one, and starts the retry when all others are done."""
        if kind == "killed" and not self.is_retry:
            log.warning("a worker process %s at %s; its task is retried at the end", value.how, value.item)
            self.postponed.append(value.task)
        elif kind == "ready" and not self.is_started:
            self.is_started = True
            for _ in range(min(self.start(value) or self.processes, len(self.queue)) - 1):
                self.pool.add()
        if kind in ("ready", "idle"):
            self.pool.give(connection, self.queue.pop()) if self.queue else self.pool.dismiss(connection)
        elif kind == "killed" and self.queue:
            self.pool.add()
        if not self.pool.workers and self.postponed:
            self.queue, self.postponed, self.is_retry = self.postponed[::-1], [], True
            self.pool.add()


@contextlib.contextmanager
def _ignored_interrupts() -> Iterator[None]:
    """Makes processes that start inside the block ignore Ctrl-C; the parent handles it and ends them."""
    try:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _work(connection: Connection, make: Callable, argument: object) -> None:
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    try:
        work, facts = make(argument)
        connection.send(("ready", facts))
        while (task := connection.recv()) is not None:
            for event in work(task):
                connection.send(("at", event.item) if isinstance(event, At) else ("event", event))
            connection.send(("idle", None))
    except UserError as error:
        name = type(error).__name__
        connection.send(("fault", (name if name in _ERRORS else "UserError", str(error))))
    except Exception:
        connection.send(("bug", traceback.format_exc()))


def _leave_with_parent() -> None:
    """Ends this process as soon as its parent has ended, even by SIGKILL."""
    multiprocessing.parent_process().join()
    os._exit(1)
