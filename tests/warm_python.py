"""Runs `python -m ambiser.bin.PROGRAM ...` as a fork of a process that has imported what the programs import.

Most of the time of a small recipe is the time of imports. `write_command` writes a command that stands for Python in
recipes that tests run: it passes a program of ambiser/bin to the server of the test session, and waits for its end.
The program gets the words, folder, environment, open files, limits and ignored signals of the command, and the command
ends as the program does; signals are passed on, and a killed command takes its program with it. Everything else runs in
Python itself, and so does a program if the server cannot start it as Python would: another checkout, or environment
variables that are read on import. Worker processes of a program are forks of it, and jobs start with the same command.
"""

import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MODULES = (
    "ambiser.corpora.data_folder",
    "ambiser.features.extraction.speech",
    "ambiser.features.extraction.text",
    "ambiser.recipe.report_inputs",
    "ambiser.report.publish",
    "ambiser.report.results_page",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "scipy.signal",
    "sklearn.feature_extraction.text",
    "transformers.models.bert.modeling_bert",
    "transformers.models.wav2vec2.modeling_wav2vec2",
)
READ_ON_IMPORT = ("CUDA_", "HF_", "KMP_", "LD_", "MKL_", "MPL", "OMP_", "OPENBLAS_", "TORCH", "TRANSFORMERS_")
PACKET_BYTES = 150_000
CONNECT_S = 20.0
SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
LIMITS = sorted(getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_"))


def write_command(path: Path, name: str, owner: int) -> Path:
    """Writes the command, and returns its path; Python's without Linux, whose pidfd and abstract sockets it needs.

    Args:
        path: its place.
        name: the name of the test session; one server serves all its commands.
        owner: the process id of the session; the server ends with it.
    """
    if not hasattr(os, "pidfd_open"):
        return Path(sys.executable)
    python = f"exec '{sys.executable}'"
    warm = f"{python} -S -E '{Path(__file__).resolve()}' run '{name}' {owner}"
    programs = '"-m ambiser.bin."* | "-m train."*'  # those of tests/train too
    path.write_text(f'#!/bin/sh\ncase "$1 $2" in {programs}) {warm} "$@" ;; *) {python} "$@" ;; esac\n')
    path.chmod(0o755)
    return path


def main() -> None:
    """Runs a command, or the server."""
    verb, name, owner, *words = sys.argv[1:]  # `run`, with the words after `python`, or `serve`
    if verb == "serve":
        serve(name, int(owner))
    if os.environ.get("PYTHONPATH", "").split(":")[0] == str(ROOT) and (connection := connect(name, owner)):
        run(connection, words)
    os.execv(sys.executable, [sys.executable, *words])


def connect(name: str, owner: str) -> socket.socket | None:
    """Connects to the server of this environment, and starts it first if there is none."""
    read = sorted(item for item in os.environ.items() if item[0].startswith(READ_ON_IMPORT))
    name = f"{name}-{zlib.crc32(repr(read).encode()):x}"
    deadline, server = time.monotonic() + CONNECT_S, None
    while time.monotonic() < deadline:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            connection.connect(address(name))
            return connection
        except OSError:
            connection.close()
        if server is None:
            program = [sys.executable, str(Path(__file__).resolve()), "serve", name, owner]
            silent = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
            server = subprocess.Popen(program, start_new_session=True, cwd="/", **silent)
        time.sleep(0.02)
    return None


def address(name: str) -> str:
    """Returns the address of a server: an abstract name of Linux, which leaves no file behind."""
    return f"\0ambiser-tests-{name}"


def run(connection: socket.socket, words: list[str]) -> None:
    """Lets the server run a program, passes signals on, and ends as the program ends; returns if the server cannot."""
    mask = os.umask(0)
    os.umask(mask)
    request = {
        "words": words,
        "folder": os.getcwd(),
        "environment": dict(os.environ),
        "ignored": [signum for signum in SIGNALS if signal.getsignal(signum) == signal.SIG_IGN],
        "limits": [resource.getrlimit(limit) for limit in LIMITS],
        "mask": mask,
    }
    passed = set(SIGNALS) - set(request["ignored"])
    signal.pthread_sigmask(signal.SIG_BLOCK, passed)  # until there is a process to pass them to
    try:
        socket.send_fds(connection, [json.dumps(request).encode()], [0, 1, 2])
        process = json.loads(connection.recv(PACKET_BYTES))["pid"]
    except (OSError, ValueError):  # ValueError: an empty packet, from a server that has ended
        signal.pthread_sigmask(signal.SIG_UNBLOCK, passed)
        return
    for signum in passed:
        signal.signal(signum, lambda signum, frame: os.kill(process, signum))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, passed)
    status = json.loads(connection.recv(PACKET_BYTES) or b'{"status": -9}')["status"]  # empty: the server was killed
    if status < 0:
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


def serve(name: str, owner: int) -> None:
    """Serves programs until the owner ends; does not return."""
    import importlib
    import selectors

    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    selector = selectors.DefaultSelector()
    try:
        selector.register(os.pidfd_open(owner), selectors.EVENT_READ, "owner")
        listener.bind(address(name))
    except OSError:  # the session has ended, or another command was faster
        os._exit(0)
    listener.listen(100)
    sys.path.pop(0)  # this folder
    from ambiser.config.schema import SpeechFeatures
    from ambiser.features.upstreams.upstream import load_upstream
    from ambiser.recipe.jobs import MODULES as OF_JOBS

    for module in (*MODULES, *OF_JOBS["distill"], *OF_JOBS["score"]):
        importlib.import_module(module)
    load_upstream(SpeechFeatures(upstream="fbank_no_cmvn"))
    threads = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
    if len(threads) - threads.count("jemalloc_bg_thd") > 1:  # jemalloc, of pyarrow, starts its thread again in a fork
        os._exit(1)  # a fork would lack the other threads
    selector.register(listener, selectors.EVENT_READ, "command")
    jobs: dict[int, socket.socket] = {}
    while True:
        for key, _ in selector.select():
            if key.data == "owner":
                os._exit(0)
            elif key.data == "command":
                connection, _ = listener.accept()
                selector.register(connection, selectors.EVENT_READ, "request")
            elif key.data == "request":
                answer(selector, key.fileobj, jobs)
            else:
                end(selector, key.fileobj, key.data, jobs)


def answer(selector: object, connection: socket.socket, jobs: dict[int, socket.socket]) -> None:
    """Starts the program of a command, or kills it with its processes if the command has been killed."""
    packet, files = b"", []
    with contextlib.suppress(OSError):
        packet, files, _, _ = socket.recv_fds(connection, PACKET_BYTES, 3)
    if not packet:
        selector.unregister(connection)
        connection.close()
        for process in [process for process, client in jobs.items() if client is connection]:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process, signal.SIGKILL)
        return
    process = os.fork()
    if process == 0:
        try:
            os.setpgid(0, 0)
            become(json.loads(packet), files)
        finally:
            os._exit(1)  # `become` failed; the fork must not serve
    with contextlib.suppress(OSError):  # the fork has done it
        os.setpgid(process, process)
    for file in files:
        os.close(file)
    jobs[process] = connection
    selector.register(os.pidfd_open(process), 1, process)
    send(connection, {"pid": process})


def end(selector: object, pidfd: int, process: int, jobs: dict[int, socket.socket]) -> None:
    """Tells a command that its program has ended."""
    selector.unregister(pidfd)
    os.close(pidfd)
    _, status = os.waitpid(process, 0)
    send(jobs.pop(process), {"status": os.waitstatus_to_exitcode(status)})


def send(connection: socket.socket, message: dict) -> None:
    """Sends a command a message, if it has not been killed."""
    with contextlib.suppress(OSError):
        connection.send(json.dumps(message).encode())


def become(request: dict, files: list[int]) -> None:
    """Makes a fork the requested program and runs it; does not return."""
    import ctypes
    import multiprocessing
    import runpy

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # it dies with the server
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.closerange(3, 1000)
    for signum in SIGNALS:
        signal.signal(signum, signal.SIG_IGN if signum in request["ignored"] else signal.SIG_DFL)
    if signal.SIGINT not in request["ignored"]:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for limit, value in zip(LIMITS, request["limits"], strict=True):
        resource.setrlimit(limit, value)
    os.umask(request["mask"])
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    context = multiprocessing.get_context
    multiprocessing.get_context = lambda method=None: context("fork" if method == "spawn" else method)
    os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))  # as after a spawn
    sys.executable = request["environment"].get("AMBISER_PYTHON", sys.executable)  # jobs start as their launcher did
    sys.path.insert(0, request["folder"])
    _, module, *arguments = request["words"]
    sys.argv[:] = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    sys.stdout.flush(), sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
