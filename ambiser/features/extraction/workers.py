"""Worker processes: one that is killed costs its task, a parent that is killed takes all with it.

Each worker makes its own state once (a model), says what it learnt, and then works off tasks; events come back as they
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
from dataclasses import dataclass
from multiprocessing.connection import Connection

from ambiser.errors import ConfigError, DataError, UserError
from ambiser.io.console import log

_ERRORS = {"ConfigError": ConfigError, "DataError": DataError, "UserError": UserError}


@dataclass(frozen=True)
class At:
    """What a task yields before it begins an item, so that the item is known if the worker is killed over it."""

    item: str


@dataclass(frozen=True)
class Killed:
    """A worker was killed twice over a task, the second time alone on the machine, and at this item."""

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
    """Works off tasks in worker processes and yields what they report.

    One worker starts alone, so that a download or a fault happens once; the others follow when it is ready. A task
    whose worker is killed (mostly for lack of memory) is tried again at the end, with no other worker beside it.

    Args:
        make: a function of a module; called once in each worker with `argument`, it returns (work, facts), where
            work(task) yields the events of one task, and `At` where it begins an item of it.
        argument: what `make` needs.
        tasks: in the order in which they are begun.
        processes: how many workers at most.
        start: called in this process with the facts of the first worker, before any task begins; what it returns,
            unless None, takes the place of `processes`.
        first: what the first worker is made with instead of `argument`, where it shall do more than the others.

    Yields:
        What the tasks yield, and a `Killed` for a task whose worker was killed twice.

    Raises:
        UserError: a worker raised one, or was killed before it was ready.
        RuntimeError: a worker met a bug; with its traceback.
    """
    queue, aside, alone, started = list(tasks)[::-1], [], False, False
    pool = _Pool(make, argument)
    try:
        pool.add(first)
        while pool.workers:
            for connection in multiprocessing.connection.wait(list(pool.workers)):
                kind, value = pool.receive(connection)
                if kind == "event" or (kind == "killed" and alone):
                    yield value
                elif kind == "killed":
                    log.warning("a worker process %s at %s; it is tried again at the end", value.how, value.item)
                    aside.append(value.task)
                elif kind == "ready" and not started:
                    started = True
                    for _ in range(min(start(value) or processes, len(queue)) - 1):
                        pool.add()
                if kind in ("ready", "idle"):
                    pool.give(connection, queue.pop()) if queue else pool.dismiss(connection)
                elif kind == "killed" and queue:
                    pool.add()
                if not pool.workers and aside:
                    queue, aside, alone = aside[::-1], [], True
                    pool.add()
    finally:
        pool.stop()


@dataclass
class _Worker:
    process: multiprocessing.Process
    task: object = None
    item: str = "its beginning"


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
        worker.task, worker.item = task, "its beginning"
        with contextlib.suppress(OSError):  # a worker that is gone is noticed when its answer is read
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
                f"a worker process {how} before it was ready, often for lack of memory; what is finished is kept: "
                "run the same command again, with a smaller --nj if that was it"
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


@contextlib.contextmanager
def _ignored_interrupts() -> Iterator[None]:
    """Lets a process that starts inside the block inherit deafness to Ctrl-C: the parent hears it and ends the rest."""
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
    """Ends this process as soon as its parent is gone, however that came about."""
    multiprocessing.parent_process().join()
    os._exit(1)
