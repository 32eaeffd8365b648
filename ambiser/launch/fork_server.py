"""Runs Python programs as forks of a process that has imported their modules: `fork_server NAME OWNER STAYS MODULE...`.

Importing PyTorch takes longer than many a small training. The server imports the modules once; each job is a fresh fork
of it, so no state passes from job to job. The server starts no thread, so forking is safe. With STAYS 1 it ends with
the process OWNER and the last client, with STAYS 0 when its first clients have ended. It listens on an abstract Unix
socket of Linux, for clients of the same user only; `warm.py` is the client.

A request is one packet: the module, its arguments, folder and environment, with the file for its output. The answers
are packets too: `{"pid": N}` at the start (or `{"error": TEXT}`), `{"ended": N, "status": S}` at the end. When a client
closes its connection, its running jobs are killed.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import struct
import sys
from dataclasses import dataclass, field

from ambiser.launch.guard import PR_SET_PDEATHSIG

PACKET_BYTES = 2**20
PR_SET_NAME = 15


@dataclass
class _Server:
    """The state of the server.

    Attributes:
        selector: waits for the owner's end, new clients, requests and ends of jobs.
        stays: whether it waits for more clients as long as the owner runs.
        owned: whether it waits for clients.
        clients: the open connections.
        jobs: the client of each running job, by process id.
    """

    selector: selectors.BaseSelector
    stays: bool
    owned: bool = True
    clients: set[socket.socket] = field(default_factory=set)
    jobs: dict[int, socket.socket] = field(default_factory=dict)


def main() -> None:
    """Serves until the owner ends; in a fork, runs the requested program."""
    name, owner, stays, modules = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "1", sys.argv[4:]
    server = _Server(selectors.DefaultSelector(), stays)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        server.selector.register(os.pidfd_open(owner), selectors.EVENT_READ, ("owner", 0))
        listener.bind(address(name))
    except OSError:  # the owner has ended, or another launcher was faster
        return
    listener.listen()
    server.selector.register(listener, selectors.EVENT_READ, ("client", 0))
    for module in modules:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # a collection in a fork would copy all shared pages
    request = _serve(server)
    if request is None:
        os._exit(0)  # nothing to clean up, and taking down PyTorch takes a while
    _run(request)


def address(name: str) -> str:
    """Returns the address of a server: an abstract name, which leaves no file behind."""
    return f"\0ambiser-{name}"


def is_own(connection: socket.socket) -> bool:
    """Whether the process at the other end has the same user."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return struct.unpack("3i", credentials)[1] == os.getuid()


def _serve(server: _Server) -> dict | None:
    """Answers requests; returns None when owner and clients have ended, and in a fork its request."""
    while server.owned or server.clients:
        for key, _ in server.selector.select():
            kind, pid = key.data
            if kind == "owner":
                server.owned = False
                server.selector.unregister(key.fileobj)
            elif kind == "client":
                _welcome(server, key.fileobj)
            elif kind == "job":
                _end(server, key.fileobj, pid)
            elif (request := _answer(server, key.fileobj)) is not None:
                return request
    return None


def _welcome(server: _Server, listener: socket.socket) -> None:
    connection, _ = listener.accept()
    if is_own(connection):
        server.clients.add(connection)
        server.owned = server.owned and server.stays
        server.selector.register(connection, selectors.EVENT_READ, ("request", 0))
    else:
        connection.close()


def _answer(server: _Server, connection: socket.socket) -> dict | None:
    """Starts the job that a client asks for; returns the request in the fork, None in the server."""
    packet, files = b"", []
    with contextlib.suppress(ConnectionError):
        packet, files, _, _ = socket.recv_fds(connection, PACKET_BYTES, 1)
    if not packet:
        _dismiss(server, connection)
        return None
    parent = os.getpid()
    try:
        pid = os.fork()
    except OSError as error:
        _send(connection, {"error": str(error)})
        os.close(files[0])
        return None
    if pid == 0:
        _leave(server, files[0], parent)
        return json.loads(packet)
    os.close(files[0])
    with contextlib.suppress(OSError):  # the job has done it
        os.setpgid(pid, pid)
    server.jobs[pid] = connection
    server.selector.register(os.pidfd_open(pid), selectors.EVENT_READ, ("job", pid))
    _send(connection, {"pid": pid})
    return None


def _dismiss(server: _Server, connection: socket.socket) -> None:
    """Kills the jobs of a client that has ended, with their children."""
    for pid, client in server.jobs.items():
        if client is connection:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
    server.clients.remove(connection)
    server.selector.unregister(connection)
    connection.close()


def _end(server: _Server, pidfd: int, pid: int) -> None:
    """Tells a client that its job has ended."""
    server.selector.unregister(pidfd)
    os.close(pidfd)
    _, status = os.waitpid(pid, 0)
    _send(server.jobs.pop(pid), {"ended": pid, "status": os.waitstatus_to_exitcode(status)})


def _send(connection: socket.socket, message: dict) -> None:
    with contextlib.suppress(OSError):  # the client has ended
        connection.send(json.dumps(message).encode())


def _leave(server: _Server, output: int, parent: int) -> None:
    """Makes a fork a process of its own: group, signals, output, and none of the server's files."""
    os.setpgid(0, 0)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the server died before the signal was set
        os._exit(1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for key in list(server.selector.get_map().values()):
        if isinstance(key.fileobj, int):
            os.close(key.fileobj)
        else:
            key.fileobj.close()
    server.selector.close()
    for standard in (1, 2):
        os.dup2(output, standard)
    os.close(output)


def _run(request: dict) -> None:
    """Runs a module as `python -m` does."""
    title = request["module"].rpartition(".")[2]
    ctypes.CDLL(None).prctl(PR_SET_NAME, title.encode()[:15])  # for `top` and `ps -o comm`
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path[0] = request["folder"]
    sys.argv[:] = [request["module"], *request["arguments"]]
    runpy.run_module(request["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
