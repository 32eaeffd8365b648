"""Starts jobs in a fork server that has imported their modules; without one, jobs start cold.

The server belongs to one process, its owner, and ends with it: run.sh, so that all stages share the server, or else the
launcher. Its name is made of the owner, Python, the checkout, the environment and the limits of the process, so a job
never runs in a server that was started differently. It needs Linux.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from ambiser.io.console import log
from ambiser.io.files import digest
from ambiser.launch.fork_server import PACKET_BYTES, address, is_own

OWNER = "AMBISER_FORK_SERVER"
"""The variable that names a server's owner, `PID-RANDOM`; "off" turns servers off."""
# Read while a program runs, not when it is imported, or by no program: a job gets the values of its launcher.
_PASSED = {OWNER, "PATH", "PWD", "OLDPWD", "SHLVL", "_", "CUDA_VISIBLE_DEVICES", "PYTEST_CURRENT_TEST"}
CONNECT_S = 20.0
POLL_S = 0.02


class ForkedProcess:
    """A job in a fork; has the methods of `subprocess.Popen` that the launcher uses.

    Attributes:
        pid: its process id, and the id of its process group.
        returncode: its exit status, minus a signal, or None while it runs.
        lost: whether the server died, so that no status is known.
    """

    def __init__(self, workers: "WarmWorkers", pid: int) -> None:
        self.pid, self.returncode, self.lost = pid, None, False
        self._workers = workers

    def poll(self) -> int | None:
        """Returns the exit status, or None while the job runs."""
        if self.returncode is None:
            self._workers.receive(wait=False)
        return self.returncode

    def wait(self) -> int:
        """Waits for the end of the job and returns its exit status."""
        while self.returncode is None:
            self._workers.receive(wait=True)
        return self.returncode


class WarmWorkers:
    """The connection to a fork server."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection: socket.socket | None = connection
        self._running: dict[int, ForkedProcess] = {}

    def start(self, argv: Sequence[str], environment: Mapping[str, str], stream: IO[bytes]) -> ForkedProcess | None:
        """Starts `argv` as a fork; returns None if only a cold start can run it.

        Args:
            argv: the command; only `python -m MODULE ...` can be forked.
            environment: the environment of the job.
            stream: the file for its output.
        """
        if self._connection is None or list(argv[:2]) != [sys.executable, "-m"]:
            return None
        request = {"module": argv[2], "arguments": argv[3:], "folder": os.getcwd(), "environment": dict(environment)}
        packet = json.dumps(request).encode()
        if len(packet) > PACKET_BYTES:
            return None
        try:
            socket.send_fds(self._connection, [packet], [stream.fileno()])
        except OSError as error:
            self._give_up(str(error))
            return None
        answer = self.receive(wait=True)
        while answer is not None and not {"pid", "error"} & answer.keys():
            answer = self.receive(wait=True)
        if answer is None or "error" in answer:
            self._give_up("it ended" if answer is None else answer["error"])
            return None
        process = self._running[answer["pid"]] = ForkedProcess(self, answer["pid"])
        return process

    def receive(self, wait: bool) -> dict | None:
        """Reads one answer and notes the end of a job; returns None without an answer."""
        if self._connection is None:
            return None
        try:
            packet = self._connection.recv(PACKET_BYTES, 0 if wait else socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except OSError:
            packet = b""
        if not packet:
            self._give_up("it ended")
            return None
        answer = json.loads(packet)
        if "ended" in answer:
            self._running.pop(answer["ended"]).returncode = answer["status"]
        return answer

    def close(self) -> None:
        """Leaves the server; jobs that still run are killed."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _give_up(self, why: str) -> None:
        """Marks running jobs as lost; later ones start cold."""
        if self._connection is not None:
            log.warning("the server for fast starts failed (%s); jobs start without it", why)
        self.close()
        for process in self._running.values():
            with contextlib.suppress(ProcessLookupError):  # its children, and the job if the kernel has not killed it
                os.killpg(process.pid, signal.SIGKILL)
            process.lost, process.returncode = True, -signal.SIGKILL
        self._running.clear()


def connect(modules: Sequence[str], environment: Mapping[str, str], jobs: int) -> WarmWorkers | None:
    """Connects to the server of this environment, and starts it first if that pays.

    Args:
        modules: what the server imports; none: no server.
        environment: the environment in which cold jobs would start.
        jobs: how many jobs there are; a server of the launcher alone needs several to pay.

    Returns:
        None if there is no server, so that jobs start cold.
    """
    shared = environment.get(OWNER, "")
    owner = shared or (f"{os.getpid()}-{os.urandom(8).hex()}" if jobs > 1 else "")
    number = owner.partition("-")[0]
    if sys.platform != "linux" or not hasattr(os, "pidfd_open") or not modules or not number.isdigit():
        return None
    name = _name(owner, environment)
    connection = _try(name)
    if connection is None:
        program = [sys.executable, "-m", "ambiser.launch.fork_server", name, number, str(int(bool(shared))), *modules]
        silent = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        server = subprocess.Popen(program, env=environment, start_new_session=True, **silent)
        deadline = time.monotonic() + CONNECT_S
        while connection is None and server.poll() is None and time.monotonic() < deadline:
            time.sleep(POLL_S)
            connection = _try(name)
    return None if connection is None else WarmWorkers(connection)


def _name(owner: str, environment: Mapping[str, str]) -> str:
    """Returns the name of the server that starts jobs exactly as this process would."""
    import resource  # not on every system that has no server

    kept = sorted((key, value) for key, value in environment.items() if key not in _PASSED)
    limits = [resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")]
    mask = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("Umask"))
    inherited = (limits, mask, os.nice(0), sorted(os.sched_getaffinity(0)))
    return f"{owner}-{digest(sys.executable, str(Path(__file__)), repr(kept), repr(inherited))[:16]}"


def _try(name: str) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.connect(address(name))
    except OSError:
        connection.close()
        return None
    if is_own(connection):
        return connection
    connection.close()
    return None
