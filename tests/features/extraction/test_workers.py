"""Imports no torch, since every worker process imports this module too."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ambiser.errors import UserError
from ambiser.features.extraction.workers import At, Killed, run_tasks
from ambiser.io.console import log

ROOT = Path(__file__).resolve().parents[3]


def kill_me():
    os.kill(os.getpid(), signal.SIGKILL)


def make_square(argument):
    """Squares; -1 kills its worker, -2 only when no file tells of an earlier try, and the argument may kill as well."""
    if argument == "bug":
        raise KeyError("a bug")
    if argument == "kill":
        kill_me()

    def work(task):
        yield At(f"number {task}")
        if task == -2 and not Path(argument).exists():
            Path(argument).touch()
            kill_me()
        yield task * task if task != -1 else kill_me()

    return work, os.getpid()


def test_workers_finish_all_tasks():
    pids = []
    squares = list(run_tasks(make_square, "", [1, 2, 3, 4, 5], processes=2, start=lambda pid: pids.append(pid)))
    assert sorted(squares) == [1, 4, 9, 16, 25]
    assert len(pids) == 1 and pids[0] != os.getpid()
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("processes", [1, 2])
def test_a_task_that_kills_its_worker_twice_is_named_and_the_others_finish(processes):
    events = list(run_tasks(make_square, "", [1, -1, 2, 3], processes=processes, start=lambda pid: None))
    assert sorted(event for event in events if isinstance(event, int)) == [1, 4, 9]
    assert events[-1] == Killed(-1, "number -1", "was killed by signal 9")
    assert multiprocessing.active_children() == []


def test_a_task_that_kills_its_worker_once_is_retried_at_the_end(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(log, "propagate", True)
    tasks = [-2, 1, 2, 3]
    squares = list(run_tasks(make_square, str(tmp_path / "tried"), tasks, processes=2, start=lambda pid: None))
    assert sorted(squares) == [1, 4, 4, 9] and squares[-1] == 4
    assert "was killed by signal 9 at number -2; its task is retried at the end" in caplog.text


def test_a_worker_that_is_killed_before_it_is_ready_ends_the_run():
    with pytest.raises(UserError, match=r"killed by signal 9 before it was ready.*run the same command again"):
        list(run_tasks(make_square, "kill", [1, 2], processes=2, start=lambda pid: None))
    assert multiprocessing.active_children() == []


def test_a_bug_in_a_worker_keeps_its_traceback():
    with pytest.raises(RuntimeError, match="KeyError: 'a bug'"):
        list(run_tasks(make_square, "bug", [1], processes=2, start=lambda pid: None))


SLOW = """
import sys, time, pathlib
sys.path.insert(0, {root!r})
from ambiser.features.extraction.workers import run_tasks
from ambiser.io.console import run_main
def make(argument):
    import os
    def work(task):
        pathlib.Path(argument, str(os.getpid())).touch()
        time.sleep(300)
        yield 1
    return work, None
def main():
    list(run_tasks(make, sys.argv[1], [1, 2, 3], processes=2, start=lambda facts: None))
if __name__ == "__main__":
    run_main(main)
"""


def start_slow(tmp_path):
    program = tmp_path / "slow.py"
    program.write_text(SLOW.format(root=str(ROOT)))
    pids = tmp_path / "pids"
    pids.mkdir()
    process = subprocess.Popen(
        [sys.executable, program, pids], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    until = time.monotonic() + 100
    while len(list(pids.iterdir())) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    return process, [int(path.name) for path in pids.iterdir()]


def all_gone(pids, seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not any(Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text() for pid in pids):
            return True
        time.sleep(0.05)
    return False


def test_ctrl_c_stops_at_once_with_130_and_no_orphans(tmp_path):
    process, pids = start_slow(tmp_path)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=50)
    assert process.returncode == 130 and len(pids) == 2
    assert "Traceback" not in stderr and "run the same command again" in stderr
    assert all_gone(pids, 55)


def test_workers_of_a_parent_that_was_killed_end_with_it(tmp_path):
    process, pids = start_slow(tmp_path)
    process.kill()
    process.communicate(timeout=50)
    assert len(pids) == 2 and all_gone(pids, 55)
