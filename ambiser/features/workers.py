"""Worker processes that survive nothing: one that dies, or a parent that does, ends the run with what is done kept.

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
from multiprocessing.connection import Connection

from ambiser.errors import ConfigError, DataError, UserError

_ERRORS = {"ConfigError": ConfigError, "DataError": DataError, "UserError": UserError}


def run_tasks(
    make: Callable, argument: object, tasks: Sequence[object], *, processes: int, start: Callable[[object], int | None]
) -> Iterator[object]:
    """Works off tasks in worker processes and yields what they report.

    One worker starts alone, so that a download or a fault happens once; the others follow when it is ready.

    Args:
        make: a function of a module; called once in each worker with `argument`, it returns (work, facts), where
            work(task) yields the events of one task.
        argument: what `make` needs.
        tasks: in the order in which they are begun.
        processes: how many workers at most.
        start: called in this process with the facts of the first worker, before any task begins; what it returns,
            unless None, takes the place of `processes`.

    Raises:
        UserError: a worker raised one, or was killed.
        RuntimeError: a worker met a bug; with its traceback.
    """
    queue = list(tasks)[::-1]
    pool = _Pool(make, argument)
    try:
        pool.add()
        while pool.workers:
            for connection in multiprocessing.connection.wait(list(pool.workers)):
                kind, value = pool.receive(connection)
                if kind == "event":
                    yield value
                    continue
                if kind == "ready" and len(pool.workers) == 1 and not pool.started:
                    pool.started = True
                    wanted = start(value) or processes
                    for _ in range(min(wanted, len(queue)) - 1):
                        pool.add()
                if queue:
                    connection.send(queue.pop())
                else:
                    pool.dismiss(connection)
    finally:
        pool.stop()


class _Pool:
    def __init__(self, make: Callable, argument: object) -> None:
        self.workers: dict[Connection, multiprocessing.Process] = {}
        self.started = False
        self._context = multiprocessing.get_context("spawn")
        self._make, self._argument = make, argument

    def add(self) -> None:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(theirs, self._make, self._argument), daemon=True)
        with _ignored_interrupts():
            process.start()
        theirs.close()
        self.workers[ours] = process

    def receive(self, connection: Connection) -> tuple[str, object]:
        try:
            kind, value = connection.recv()
        except (EOFError, OSError) as error:
            process = self.workers[connection]
            process.join(5)
            code = process.exitcode
            how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with status {code}"
            raise UserError(
                f"a worker process {how}, often for lack of memory; what is finished is kept: "
                "run the same command again, with a smaller --nj if that was it"
            ) from error
        if kind == "fault":
            name, text = value
            raise _ERRORS[name](text)
        if kind == "bug":
            raise RuntimeError(f"in a worker process:\n{value}")
        return kind, value

    def dismiss(self, connection: Connection) -> None:
        connection.send(None)
        self.workers.pop(connection).join(10)
        connection.close()

    def stop(self) -> None:
        for process in self.workers.values():
            process.terminate()
        for connection, process in self.workers.items():
            process.join(5)
            if process.is_alive():
                process.kill()
                process.join()
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
                connection.send(("event", event))
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
