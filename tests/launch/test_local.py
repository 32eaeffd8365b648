"""Local jobs: how many run at a time, their logs, failures and signals."""

import mmap
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from ambiser.launch import local
from ambiser.launch.job import Job, split_done
from ambiser.launch.local import run_jobs

GIB = 2**30
NOTE = "import sys, time, pathlib; p = pathlib.Path(sys.argv[1]); "
WAIT = """
def wait(condition):
    end = time.time() + 60
    while not condition() and time.time() < end: time.sleep(0.01)
"""
WORK = NOTE + "a = time.time(); time.sleep(0.1); p.write_text(f'{a} {time.time()}')"
# A job waits until two have started, because a slow machine may need longer to start one than any fixed time.
START = f"{NOTE}a = time.time(); p.with_suffix('.started').touch(){WAIT}"
TOGETHER = f"{START}wait(lambda: len(list(p.parent.glob('*.started'))) > 1)\n"
WORK_TOGETHER = f"{TOGETHER}p.write_text(f'{{a}} {{time.time()}}')"


def python(name: str, folder: Path, code: str = WORK, *more: str) -> Job:
    done = folder / f"{name}.done"
    return Job(name, (sys.executable, "-S", "-c", code, str(done), *more), folder / "logs" / f"{name}.log", done)


def run(tasks, slots=(None, None), memory_bytes=1):
    return run_jobs(tasks, slots=slots, memory_bytes=memory_bytes, description="test")


def most_at_a_time(tasks) -> int:
    spans = [tuple(map(float, task.done.read_text().split())) for task in tasks]
    return max(sum(start <= moment < end for start, end in spans) for moment, _ in spans)


def test_all_jobs_run_and_no_more_at_a_time_than_there_are_slots(tmp_path):
    tasks = [python(f"t{i}", tmp_path, WORK_TOGETHER) for i in range(5)]
    assert run(tasks, slots=(None,) * 3) == 0
    assert 2 <= most_at_a_time(tasks) <= 3


def test_jobs_run_one_at_a_time_if_memory_holds_one(tmp_path, monkeypatch):
    monkeypatch.setattr(local, "available_memory_bytes", lambda: int(1.5 * GIB))
    tasks = [python(f"t{i}", tmp_path) for i in range(3)]
    assert run(tasks, slots=(None,) * 3, memory_bytes=GIB) == 0
    assert most_at_a_time(tasks) == 1


def test_jobs_that_may_be_equal_run_one_after_another_beside_the_others(tmp_path):
    tasks = [python(f"t{i}", tmp_path, WORK_TOGETHER) for i in range(3)]
    tasks = [replace(tasks[0], alike="a"), replace(tasks[1], alike="a"), replace(tasks[2], alike="b")]
    assert run(tasks, slots=(None,) * 3) == 0
    assert most_at_a_time(tasks) == 2
    assert most_at_a_time(tasks[:2]) == 1


def test_memory_that_running_jobs_still_need_is_reserved(tmp_path, monkeypatch):
    monkeypatch.setattr(local, "available_memory_bytes", lambda: int(2.5 * GIB))
    tasks = [python(f"t{i}", tmp_path, WORK_TOGETHER) for i in range(4)]
    assert run(tasks, slots=(None,) * 4, memory_bytes=GIB) == 0
    assert most_at_a_time(tasks) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports the pages of mapped files")
def test_pages_of_mapped_files_do_not_count_as_memory_of_a_job(tmp_path):
    with open(tmp_path / "large", "wb") as stream:
        stream.truncate(2**26)
    own = SimpleNamespace(process=SimpleNamespace(pid=os.getpid()))
    before = local._Process.memory_bytes(own)
    with open(tmp_path / "large", "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert mapped.find(b"x") == -1  # reads all pages
        assert local._Process.memory_bytes(own) - before < 2**24


def test_one_job_runs_even_if_memory_holds_none(tmp_path, monkeypatch):
    monkeypatch.setattr(local, "available_memory_bytes", lambda: 0)
    assert run([python("t", tmp_path)], memory_bytes=1000) == 0


def test_the_log_has_command_host_start_end_seconds_and_exit(tmp_path):
    task = python("t", tmp_path, NOTE + "print('hello'); print('oops', file=sys.stderr); p.touch()")
    assert run([task]) == 0
    log = task.log.read_text()
    for line in (
        "# command: ",
        "# host: ",
        "# start: 20",
        "hello\n",
        "oops\n",
        "# end: 20",
        "# seconds: ",
        "# exit: 0\n",
    ):
        assert line in log


def test_a_second_attempt_is_appended_to_the_log(tmp_path):
    task = python("t", tmp_path)
    run([task])
    run([task])
    assert task.log.read_text().count("# exit: 0\n") == 2


ODD = ["a b", "$HOME", "`id`", "x;y", "JOB", "MYJOBS_dir", "it's", '"', ">out", "*", "", "ä\n", "--x=$(id)"]


def test_unusual_arguments_and_paths_arrive_unchanged(tmp_path):
    folder = tmp_path / "a folder; with $signs"
    code = NOTE + "p.write_text(repr(sys.argv[2:]))"
    task = python("t", folder, code, *ODD)
    assert run([task]) == 0
    assert task.done.read_text() == repr(ODD)


def test_jobs_get_one_thread_unless_the_user_sets_more(tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("MKL_NUM_THREADS", "3")
    code = NOTE + "import os; p.write_text(os.environ['OMP_NUM_THREADS'] + os.environ['MKL_NUM_THREADS'])"
    task = python("t", tmp_path, code)
    run([task])
    assert task.done.read_text() == "13"


def test_devices_are_assigned_in_turn_and_reused(tmp_path):
    code = TOGETHER + "import os; p.write_text(os.environ['CUDA_VISIBLE_DEVICES'])"
    tasks = [python(f"t{i}", tmp_path, code) for i in range(4)]
    assert run(tasks, slots=("GPU-a", "GPU-b")) == 0
    assert sorted(task.done.read_text() for task in tasks) == ["GPU-a", "GPU-a", "GPU-b", "GPU-b"]


def test_a_failure_shows_the_end_of_the_first_log_and_starts_no_more_jobs(tmp_path, capsys):
    bad = python("bad", tmp_path, "print('\\n'.join(f'line {i}' for i in range(40))); 1 / 0")
    until = (
        f"{NOTE}{WAIT}log = pathlib.Path({str(bad.log)!r}); wait(lambda: log.exists() and '# exit' in log.read_text())"
    )
    slow = python("slow", tmp_path, f"{until}; time.sleep(0.2); p.touch()")
    after = python("after", tmp_path)
    assert run([slow, bad, after]) == 1
    text = capsys.readouterr().err
    assert "1 of 3 jobs failed, 1 were not started" in text
    assert f"bad, exit status 1; log: {bad.log}" in text
    shown = [line for line in text.splitlines() if line.startswith("  | ")]
    assert len(shown) == 15
    assert shown[-1] == "  | ZeroDivisionError: division by zero"
    assert slow.done.exists()
    assert not after.log.exists()


def test_only_the_last_attempt_is_shown(tmp_path, capsys):
    task = python("t", tmp_path, "raise SystemExit('first')")
    run([task])
    run([python("t", tmp_path, "raise SystemExit('second')")])
    assert "first" not in capsys.readouterr().err.split("jobs failed")[2]


USER_FAULT = "import sys; print('learning'); print('prog: error: a.yaml:3: no', file=sys.stderr); sys.exit(2)"


def test_an_error_of_the_user_shows_its_line_and_exits_with_2(tmp_path, capsys):
    assert run([python("t", tmp_path, USER_FAULT)]) == 2
    shown = [line for line in capsys.readouterr().err.splitlines() if line.startswith("  | ")]
    assert shown == ["  | prog: error: a.yaml:3: no"]


def test_a_bug_beside_an_error_of_the_user_exits_with_1(tmp_path):
    assert run([python("t", tmp_path, USER_FAULT), python("u", tmp_path, "1 / 0")]) == 1


def test_a_killed_job_is_reported_with_its_signal(tmp_path, capsys):
    assert run([python("t", tmp_path, "import os; os.kill(os.getpid(), 9)")]) == 1
    assert "exit status 137 (SIGKILL; out of memory?)" in capsys.readouterr().err


def test_a_job_that_exits_with_0_without_its_last_file_has_failed(tmp_path, capsys):
    task = python("t", tmp_path, "pass")
    assert run([task]) == 1
    assert f"{task.done} is missing" in capsys.readouterr().err


def test_a_missing_program_is_a_failure(tmp_path, capsys):
    task = Job("t", ("no-such-program",), tmp_path / "t.log", tmp_path / "t.done")
    assert run([task]) == 1
    assert "no-such-program: cannot be run: No such file" in capsys.readouterr().err


def test_done_jobs_are_split_from_those_to_run(tmp_path):
    tasks = [python("a", tmp_path), python("b", tmp_path)]
    tasks[1].done.touch()
    assert split_done(tasks) == ([tasks[1]], [tasks[0]])


# A launcher with two jobs, each with a child of its own; they write down their process ids and sleep.
LAUNCHER = """
import sys
from pathlib import Path
from ambiser.io.console import run_main
from ambiser.launch import local
from ambiser.launch.job import Job
local.GRACE_S = 80.0
folder = Path(sys.argv[1])
job = '''
import os, signal, subprocess, sys, time
if sys.argv[2] == "deaf":
    signal.signal(signal.SIGTERM, lambda *_: open(sys.argv[1] + ".heard", "w").close())
child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(100)"])
open(sys.argv[1] + ".tmp", "w").write(f"{os.getpid()} {child.pid}")
os.rename(sys.argv[1] + ".tmp", sys.argv[1])
time.sleep(100)
'''
tasks = [Job(n, (sys.executable, "-S", "-c", job, str(folder / n), sys.argv[2]), folder / f"{n}.log", folder / "never")
         for n in ("a", "b")]
run_main(lambda: local.run_jobs(tasks, slots=[None, None], memory_bytes=1, description="test"))
"""


@pytest.fixture
def launcher(tmp_path, environment):
    started = []

    def start(how: str = "normal") -> tuple[subprocess.Popen, list[int]]:
        process = subprocess.Popen(
            [sys.executable, "-c", LAUNCHER, str(tmp_path), how], env=environment, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        notes = [tmp_path / "a", tmp_path / "b"]
        wait_until(lambda: all(note.exists() for note in notes))
        pids = [int(pid) for note in notes for pid in note.read_text().split()]
        assert all(map(psutil.pid_exists, pids))
        return process, pids

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_until(condition, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_stopping_the_launcher_leaves_no_job_and_no_child_of_a_job(launcher, tmp_path, signum):
    process, pids = launcher()
    process.send_signal(signum)
    _, errors = process.communicate(timeout=90)
    assert process.returncode == 130
    assert errors.splitlines()[-1].endswith("run the same command again to continue")
    wait_until(lambda: all(map(is_gone, pids)))
    assert "# exit: 143 (SIGTERM)" in (tmp_path / "a.log").read_text()


def test_a_second_ctrl_c_kills_jobs_that_ignore_the_first(launcher, tmp_path):
    process, pids = launcher("deaf")
    process.send_signal(signal.SIGINT)
    wait_until(lambda: all((tmp_path / f"{name}.heard").exists() for name in "ab"))
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)  # less than the time that the first gives
    assert process.returncode == 130
    wait_until(lambda: all(map(is_gone, pids)))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent was killed")
def test_jobs_die_with_a_launcher_that_is_killed(launcher):
    process, pids = launcher()
    process.kill()
    process.communicate(timeout=90)
    jobs = pids[::2]
    wait_until(lambda: all(map(is_gone, jobs)))
    for pid in pids[1::2]:
        if not is_gone(pid):
            os.kill(pid, signal.SIGKILL)
