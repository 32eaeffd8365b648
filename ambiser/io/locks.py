"""Lets one process at a time write to a folder; a second process says who holds it, and waits or gives up."""

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from ambiser.errors import DataError
from ambiser.io.console import log, printable

_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}
"""Errors of disks without locks, where processes are not kept apart."""
_HOLDER_BYTES = 200


@contextlib.contextmanager
def hold(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Holds a lock while the block runs. The system frees the lock of a killed process.

    Args:
        path: the lock file; it names its holder, and is removed at the end.
        wait: wait for another holder.

    Raises:
        DataError: another process holds the lock and `wait` is false, or the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _acquire(path, wait)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)  # before the lock is free: the next holder makes a new file
        os.close(descriptor)


def _acquire(path: Path, wait: bool) -> int:
    """Returns the descriptor of a lock file that this process holds."""
    import fcntl  # not on Windows

    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(descriptor, path, wait, fcntl)
            with contextlib.suppress(OSError):  # a full disk
                os.ftruncate(descriptor, 0)
                now = datetime.now().astimezone().isoformat(timespec="seconds")
                os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()} since {now}".encode(), 0)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                    return descriptor
        except BaseException:  # Ctrl-C while it waits
            os.close(descriptor)
            raise
        os.close(descriptor)  # its holder has removed this file; another may be there


def _lock(descriptor: int, path: Path, wait: bool, fcntl: object) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, _HOLDER_BYTES, 0).decode("utf-8", errors="replace") or "another process"
        message = f"{path.parent}: {printable(holder)} writes here ({path.name})"
        if not wait:
            raise DataError(f"{message}; wait for its end, and run the same command again") from None
        log.info(f"{message}; waiting for its end")
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
