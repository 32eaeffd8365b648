"""Runs one task of a Slurm array: `slurm_worker.py FOLDER`, with the index in SLURM_ARRAY_TASK_ID.

It runs as a file of its own with nothing but the standard library. FOLDER/tasks.json holds the commands as argument
vectors; what became of a task goes to FOLDER/status/INDEX.json, by rename:

    run, digest            of the submission and of the command, so that nothing else is taken for it
    state                  running | ended | stopped (told to by Slurm) | requeued (by itself, after a warning)
    exit                   exit status, or minus the signal that killed the command
    host, slurm, restarts  where, as which job of Slurm, requeued how often
    started, ended         seconds since 1970
    log_start              where this attempt begins in the log
    reason                 what a person is told when the exit status does not say it
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
STOPPED = (130, 143, -signal.SIGINT, -signal.SIGTERM)  # how a command ends that was asked to stop
PATIENCE_S = 2.0  # until a command is told what Slurm told this process only
REQUEUE_WAIT_S = 60.0


class Status:
    """The status file of a task, as this attempt writes it."""

    def __init__(self, folder: Path, index: int, run: str, digest: str) -> None:
        self.path = folder / "status" / f"{index}.json"
        self.fields = {"run": run, "digest": digest, "state": "running", "exit": None, "reason": ""}
        host = os.environ.get("SLURMD_NODENAME") or socket.gethostname()
        self.fields |= {"host": host, "slurm": os.environ.get("SLURM_ARRAY_JOB_ID", ""), "ended": None}
        self.fields |= {"restarts": int(os.environ.get("SLURM_RESTART_COUNT", "0")), "started": time.time()}

    def write(self, **fields: object) -> None:
        """Writes the file, unless a later attempt of the same task has begun to."""
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
    """Runs the task and returns its exit status as a shell would."""
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
        code, reason = 1, f"ended well, but {task['done']} is not there"
        say(log, reason)
    seconds = time.time() - status.fields["started"]
    say(log, f"# end: {now()}", f"# seconds: {seconds:.1f}", f"# exit: {code if code >= 0 else 128 - code}")
    # srun that is asked to stop kills its processes at once.
    stopped = (*STOPPED, 128 + signal.SIGKILL) if task["argv"][0] == "srun" else STOPPED
    warned = bool(heard) and signal.SIGTERM not in heard and code in stopped
    if warned and status.fields["restarts"] < plan["requeues"]:
        return requeue(status, index, log)
    if warned:
        reason = f"stopped before the time limit for the {status.fields['restarts'] + 1}. time; give it more time"
    state = "stopped" if signal.SIGTERM in heard and code else "ended"
    status.write(state=state, exit=code, ended=time.time(), reason=reason)
    return code if code >= 0 else 128 - code


def run(argv: list[str], plan: dict, log: object, heard: list[int]) -> int:
    """Runs the command; a warning reaches it as SIGTERM at once, Slurm's own SIGTERM only when it seems not to have."""
    environment = plan["environment"] | dict(os.environ)
    # -I -S: the guard needs nothing but the standard library; it ends the command when this process is killed.
    command = [sys.executable, "-I", "-S", str(GUARD), str(os.getpid()), *argv]
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=plan["cwd"], env=environment
    )
    told, first = False, 0.0
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return child.wait(timeout=0.2)
        if heard and not told:
            first = first or time.monotonic()
            if signal.SIGTERM not in heard or time.monotonic() - first > PATIENCE_S:
                child.terminate()
                told = True


def requeue(status: Status, index: int, log: object) -> int:
    """Asks Slurm to queue the task again, and waits for Slurm to end this attempt."""
    status.write(state="requeued", ended=time.time())
    say(log, "# stopped by a warning; queued again")
    job = f"{status.fields['slurm']}_{index}"
    done = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode == 0:
        time.sleep(REQUEUE_WAIT_S)
        return 1
    status.write(state="ended", exit=1, reason=f"could not be queued again: {done.stderr.strip()}")
    return 1


def say(log: object, *lines: str) -> None:
    """Adds lines to the log; a full disk makes the command itself fail, and that says so."""
    with contextlib.suppress(OSError):
        log.write("".join(f"{line}\n" for line in lines).encode())


def now() -> str:
    """Returns the time with its zone."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


if __name__ == "__main__":
    sys.exit(main())
