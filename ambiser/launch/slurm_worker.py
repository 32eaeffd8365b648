"""Runs one task of a Slurm array: `slurm_worker.py FOLDER`, with the index in SLURM_ARRAY_TASK_ID.

It runs with the standard library only, without the package. FOLDER/tasks.json holds the commands as argument vectors;
the status of a task is written to FOLDER/status/INDEX.json, by rename:

    run, digest            of the submission and of the command, which identify the task
    state                  running | ended | stopped (by Slurm) | requeued (by itself, after a warning)
    exit                   exit status, or minus the signal that killed the command
    host, slurm, restarts  node, job number, number of requeues
    started, ended         seconds since 1970
    log_start              position in the log at which this attempt begins, in bytes
    reason                 message, if the exit status does not explain the failure
"""

import contextlib
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

GUARD = Path(__file__).with_name("guard.py")
STOPPED = (130, 143, -signal.SIGINT, -signal.SIGTERM)  # exit statuses of a command after SIGINT or SIGTERM
PATIENCE_S = 2.0  # before SIGTERM is passed on, which Slurm may have sent to the command too
REQUEUE_WAIT_S = 60.0


class Status:
    """The status file of a task, written by this attempt."""

    def __init__(self, folder: Path, index: int, run: str, digest: str) -> None:
        self.path = folder / "status" / f"{index}.json"
        self.fields = {"run": run, "digest": digest, "state": "running", "exit": None, "reason": ""}
        host = os.environ.get("SLURMD_NODENAME") or socket.gethostname()
        self.fields |= {"host": host, "slurm": os.environ.get("SLURM_ARRAY_JOB_ID", ""), "ended": None}
        self.fields |= {"restarts": int(os.environ.get("SLURM_RESTART_COUNT", "0")), "started": time.time()}

    def write(self, **fields: object) -> None:
        """Writes the file, unless a later attempt of the same task has written it."""
        self.fields |= fields
        with contextlib.suppress(OSError, ValueError):
            if json.loads(self.path.read_text())["restarts"] > self.fields["restarts"]:
                return
        temporary = self.path.with_name(f".{self.path.name}.{self.fields['host']}.{os.getpid()}.tmp")
        with temporary.open("w") as stream:
            json.dump(self.fields, stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, self.path)


def main() -> int:
    """Runs the task and returns its exit status as in a shell."""
    folder, index = Path(sys.argv[1]), int(os.environ["SLURM_ARRAY_TASK_ID"])
    plan = json.loads((folder / "tasks.json").read_text())
    task = plan["tasks"][index]
    status = Status(folder, index, plan["run"], task["digest"])
    heard: list[int] = []
    for name in ("SIGUSR1", "SIGUSR2", "SIGTERM"):
        signal.signal(getattr(signal, name), lambda number, frame: heard.append(number))
    try:
        Path(task["log"]).parent.mkdir(parents=True, exist_ok=True)
        log = open(task["log"], "ab", buffering=0)  # noqa: SIM115 - open until the end of the program
    except OSError as error:
        status.write(state="ended", exit=1, ended=time.time(), reason=f"log cannot be written: {error.strerror}")
        return 1
    status.write(log_start=log.tell())
    job = f"{status.fields['slurm']}_{index} restart {status.fields['restarts']}"
    say(log, f"# command: {shlex.join(task['argv'])}", f"# host: {status.fields['host']}, Slurm {job}")
    say(log, f"# start: {now()}")
    code = run(task["argv"], plan, log, heard)
    reason = ""
    if code == 0 and not Path(task["done"]).is_file():
        code, reason = 1, f"exit status 0, but {task['done']} is missing"
        say(log, reason)
    seconds = time.time() - status.fields["started"]
    say(log, f"# end: {now()}", f"# seconds: {seconds:.1f}", f"# exit: {code if code >= 0 else 128 - code}")
    # srun answers SIGTERM by killing its processes.
    stopped = (*STOPPED, 128 + signal.SIGKILL) if task["argv"][0] == "srun" else STOPPED
    warned = bool(heard) and signal.SIGTERM not in heard and code in stopped
    if warned and status.fields["restarts"] < plan["requeues"]:
        return requeue(status, index, log)
    if warned:
        reason = (
            f"reached the time limit in attempt {status.fields['restarts'] + 1}; request more time in conf/slurm.yaml"
        )
    state = "stopped" if signal.SIGTERM in heard and code else "ended"
    status.write(state=state, exit=code, ended=time.time(), reason=reason)
    return code if code >= 0 else 128 - code


def run(argv: list[str], plan: dict, log: object, heard: list[int]) -> int:
    """Runs the command; passes on a warning as SIGTERM at once, and Slurm's SIGTERM after PATIENCE_S."""
    environment = plan["environment"] | dict(os.environ)
    # -I -S: the guard needs the standard library only; it kills the command if this process is killed.
    command = [sys.executable, "-I", "-S", str(GUARD), str(os.getpid()), *argv]
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=plan["cwd"], env=environment
    )
    stopped, first = False, 0.0
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return child.wait(timeout=0.2)
        if heard and not stopped:
            first = first or time.monotonic()
            if signal.SIGTERM not in heard or time.monotonic() - first > PATIENCE_S:
                child.terminate()
                stopped = True


def requeue(status: Status, index: int, log: object) -> int:
    """Requeues the task, and waits until Slurm ends this attempt."""
    status.write(state="requeued", ended=time.time())
    say(log, "# stopped by the warning before the time limit; requeued")
    job = f"{status.fields['slurm']}_{index}"
    done = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode == 0:
        time.sleep(REQUEUE_WAIT_S)
        return 1
    status.write(state="ended", exit=1, reason=f"could not be requeued: {done.stderr.strip()}")
    return 1


def say(log: object, *lines: str) -> None:
    """Appends lines to the log; a full disk makes the command itself fail, with a message."""
    with contextlib.suppress(OSError):
        log.write("".join(f"{line}\n" for line in lines).encode())


def now() -> str:
    """Returns the time with its zone."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


if __name__ == "__main__":
    sys.exit(main())
