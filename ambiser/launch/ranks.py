"""Trains in several processes: finds the rank of this process, and starts all ranks on this machine.

torchrun and srun start the processes and set their ranks in the environment; without them a program starts copies of
itself (`run_ranks`).
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ambiser.errors import UserError
from ambiser.io.console import log
from ambiser.launch.failures import exit_text

GUARD = Path(__file__).with_name("guard.py")
GRACE_S = 10.0
POLL_S = 0.05
_FIRST_PORT, _PORTS = 10000, 20000  # below the ephemeral ports of common systems


@dataclass(frozen=True)
class Place:
    """The place of a process in a training of several processes.

    Attributes:
        rank: 0..size-1; only rank 0 writes files.
        size: the number of processes.
        local_rank: the rank among the processes of its machine.
        host: the address of rank 0.
        port: the port of rank 0.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    host: str = "127.0.0.1"
    port: int = 0


def find_place(environment: Mapping[str, str]) -> Place:
    """Returns the place of this process, from the variables that torchrun, srun or `run_ranks` set.

    Raises:
        UserError: Slurm does not give the address of the first node.
    """
    if int(environment.get("WORLD_SIZE", "1")) > 1:
        rank, local = int(environment["RANK"]), int(environment["LOCAL_RANK"])
        return Place(
            rank, int(environment["WORLD_SIZE"]), local, environment["MASTER_ADDR"], int(environment["MASTER_PORT"])
        )
    # SLURM_NTASKS counts the tasks of the whole job, in a batch script too; this one counts the processes of a step.
    size = int(environment.get("SLURM_STEP_NUM_TASKS", "1"))
    if size == 1:
        return Place()
    number = int(environment["SLURM_JOB_ID"]) * 31 + int(environment["SLURM_STEP_ID"])
    host = _address_of_first(environment["SLURM_STEP_NODELIST"])
    return Place(
        int(environment["SLURM_PROCID"]), size, int(environment["SLURM_LOCALID"]), host, _FIRST_PORT + number % _PORTS
    )


def run_ranks(argv: Sequence[str], count: int) -> int:
    """Runs `count` processes of one training on this machine, and stops all of them when one fails.

    Rank 0 shares the output of this process. The output of the other ranks is shown only if one of them fails first.

    Returns:
        0; 2 if the first failure was an error of the user; else 1.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = os.environ | {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    command = [sys.executable, "-I", "-S", str(GUARD), str(os.getpid()), *argv]
    with tempfile.TemporaryFile() as heard:
        processes = []
        try:
            for rank in range(count):
                environment = shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
                stream = None if rank == 0 else heard
                processes.append(
                    subprocess.Popen(
                        command,
                        env=environment,
                        stdin=subprocess.DEVNULL,
                        stdout=stream,
                        stderr=stream,
                    )
                )
            failed = _wait(processes)
        finally:
            _stop(processes)
        if failed is None:
            return 0
        status = processes[failed].returncode
        if failed:
            heard.seek(0)
            sys.stderr.buffer.write(heard.read())
    log.error("process %d of %d ended with %s; all were stopped", failed + 1, count, exit_text(status))
    return 2 if status == 2 else 1


def _wait(processes: Sequence[subprocess.Popen]) -> int | None:
    """Waits, and returns the rank of the first process that failed, or None if all succeeded."""
    while True:
        codes = [process.poll() for process in processes]
        failed = [rank for rank, code in enumerate(codes) if code]
        if failed:
            # A rank that lost its peers exits with 1, so another status at the same time is the cause.
            return min(failed, key=lambda rank: codes[rank] == 1)
        if all(code == 0 for code in codes):
            return None
        time.sleep(POLL_S)


def _stop(processes: Sequence[subprocess.Popen]) -> None:
    """Stops the running processes by SIGTERM, then by SIGKILL: a rank that waits for a lost peer ignores SIGTERM."""
    deadline = time.monotonic() + GRACE_S
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
    while any(process.poll() is None for process in processes) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()


def _address_of_first(nodes: str) -> str:
    """Returns the address that Slurm uses for the first node of a list."""
    name = _scontrol("hostnames", nodes).split()[0]
    fields = dict(field.split("=", 1) for field in _scontrol("node", name, "-o").split() if "=" in field)
    return fields.get("NodeAddr", name)


def _scontrol(what: str, *words: str) -> str:
    try:
        done = subprocess.run(["scontrol", "show", what, *words], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"scontrol show {what}: {error}") from error
    if done.returncode:
        raise UserError(f"scontrol show {what}: {done.stderr.strip()}")
    return done.stdout
