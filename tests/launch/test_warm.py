"""Jobs in forks of a server: fresh state, logs and failures of a cold start, and what happens when one side dies."""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from launch.test_local import is_gone, wait_until

from ambiser.launch import warm
from ambiser.launch.job import Job
from ambiser.launch.local import run_jobs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="fork servers need Linux")

# The job: it records its surroundings, then does what its second argument says.
PROBE = """
import json, os, sys, threading, time
import decimal
facts = {
    "argv": sys.argv[1:], "name": __name__, "main": sys.modules["__main__"].__spec__.name, "folder": os.getcwd(),
    "path": sys.path[0], "pid": os.getpid(), "parent": os.getppid(), "leads": os.getpgid(0) == os.getpid(),
    "device": os.environ.get("CUDA_VISIBLE_DEVICES"), "threads": threading.active_count(),
    "fresh": decimal.getcontext().prec == 28,
    "files": [n for n in os.listdir("/proc/self/fd") if int(n) > 2 and os.path.exists(f"/proc/self/fd/{n}")],
}
decimal.getcontext().prec = 5
print("hello"); print("oops", file=sys.stderr)
done, what = sys.argv[1:3]
if what == "sleep" and not os.path.exists(done + ".first"):
    open(done + ".tmp", "w").write(json.dumps(facts))
    os.rename(done + ".tmp", done + ".first")
    sys.stdout.flush()
    time.sleep(100)
if what == "die":
    os.kill(os.getpid(), 9)
if what == "bug":
    1 / 0
if what == "user":
    print("probe: error: no", file=sys.stderr)
    sys.exit(2)
open(done, "w").write(json.dumps(facts))
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    (tmp_path / "probe.py").write_text(PROBE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(warm.OWNER, f"{os.getpid()}-{tmp_path.name}")
    return tmp_path


def probe(folder: Path, name: str, what: str = "") -> Job:
    done = folder / f"{name}.done"
    return Job(name, (sys.executable, "-m", "probe", str(done), what), folder / f"{name}.log", done)


def run(jobs, slots=(None, None), modules=("decimal",)) -> int:
    return run_jobs(jobs, slots=slots, memory_bytes=1, description="test", modules=modules)


def seen(job: Job) -> dict:
    return json.loads(job.done.read_text())


def test_a_fork_sees_what_a_cold_start_sees(folder):
    """Also after another job in the same server; only process ids differ."""
    jobs = [probe(folder, name, "a 'b'") for name in "ab"]
    assert run(jobs, slots=[None]) == 0
    server = {seen(job)["parent"] for job in jobs}
    assert len(server) == 1 and server != {os.getpid()}
    cold = probe(folder, "c", "a 'b'")
    assert run([cold], modules=()) == 0
    for job in jobs:
        differing = {name for name, value in seen(job).items() if value != seen(cold)[name]}
        assert differing == {"argv", "pid", "parent"}
        assert seen(job)["argv"] == [str(job.done), "a 'b'"]


def test_the_log_is_that_of_a_cold_start(folder):
    jobs = [probe(folder, "a"), probe(folder, "b")]
    assert run(jobs) == 0
    cold = probe(folder, "c")
    assert run([cold], modules=()) == 0
    heads = [[line[:8] for line in job.log.read_text().splitlines()] for job in (*jobs, cold)]
    assert heads[0] == heads[1] == heads[2]
    assert {"hello", "oops", "# exit: "} <= set(heads[0])


def test_stages_of_one_owner_share_a_server_unless_environment_or_limits_differ(folder, monkeypatch):
    jobs = [probe(folder, name) for name in "abcd"]
    assert run(jobs[:1]) == 0
    assert run(jobs[1:2]) == 0
    monkeypatch.setenv("MKL_NUM_THREADS", "2")
    assert run(jobs[2:3]) == 0
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, hard))  # as `ulimit -f`
        assert run(jobs[3:]) == 0
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    servers = [seen(job)["parent"] for job in jobs]
    assert servers[0] == servers[1] and len(set(servers)) == 3


def test_forks_get_their_devices(folder):
    jobs = [probe(folder, name) for name in "ab"]
    assert run(jobs, slots=("GPU-a", "GPU-b")) == 0
    assert [seen(job)["device"] for job in jobs] == ["GPU-a", "GPU-b"]


@pytest.mark.parametrize(
    ("what", "status", "message"),
    [
        ("die", 1, "exit status 137 (SIGKILL; out of memory?)"),
        ("bug", 1, "  | ZeroDivisionError: division by zero"),
        ("user", 2, "  | probe: error: no"),
    ],
)
def test_a_failure_costs_one_job(folder, capsys, what, status, message):
    good, bad = probe(folder, "good"), probe(folder, "bad", what)
    assert run([bad, good]) == status
    text = capsys.readouterr().err
    assert "1 of 2 jobs failed" in text and message in text
    assert good.done.exists() and "# exit: 0" in good.log.read_text()


def server_of(job: Job) -> int:
    """Waits until a sleeping job has written what it sees, and returns the process id of its server."""
    first = Path(f"{job.done}.first")
    wait_until(first.exists)
    return json.loads(first.read_text())["parent"]


LAUNCHER = """
import sys
from pathlib import Path
from ambiser.io.console import run_main, set_up_logging
from ambiser.launch.local import run_jobs
from ambiser.launch.job import Job
set_up_logging()
command = (sys.executable, "-m", "probe")
jobs = [Job(n, (*command, f"{n}.done", "sleep"), Path(f"{n}.log"), Path(f"{n}.done")) for n in "ab"]
run_main(lambda: run_jobs(jobs, slots=[None, None], memory_bytes=1, description="test", modules=["decimal"]))
"""


@pytest.fixture
def launcher(folder, environment):
    """A launcher with two sleeping forks; it owns their server."""
    environment = {name: value for name, value in environment.items() if name != warm.OWNER}
    process = subprocess.Popen([sys.executable, "-c", LAUNCHER], env=environment, stderr=subprocess.PIPE, text=True)
    jobs = [probe(folder, name) for name in "ab"]
    server = server_of(jobs[0])
    assert server_of(jobs[1]) == server
    pids = [json.loads(Path(f"{job.done}.first").read_text())["pid"] for job in jobs]
    yield process, server, pids
    process.kill()
    process.communicate()


def test_a_server_that_dies_is_replaced_by_cold_starts(folder, launcher):
    process, server, pids = launcher
    os.kill(server, signal.SIGKILL)
    _, text = process.communicate(timeout=90)
    assert process.returncode == 0, text
    assert text.count("the server for fast starts failed (it ended); jobs start without it") == 1
    assert all(map(is_gone, pids))
    for name in "ab":
        assert json.loads((folder / f"{name}.done").read_text())["parent"] == process.pid
        assert (folder / f"{name}.log").read_text().count("# exit: ") == 2


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_a_launcher_that_is_stopped_or_killed(folder, launcher, signum):
    process, server, pids = launcher
    process.send_signal(signum)
    process.communicate(timeout=90)
    assert process.returncode == (130 if signum != signal.SIGKILL else -signal.SIGKILL)
    wait_until(lambda: all(map(is_gone, [server, *pids])))
    assert ("# exit: 143 (SIGTERM)" in (folder / "a.log").read_text()) == (signum != signal.SIGKILL)


def test_the_server_can_be_turned_off(folder, monkeypatch):
    monkeypatch.setenv(warm.OWNER, "off")
    jobs = [probe(folder, name) for name in "ab"]
    assert run(jobs) == 0
    assert {seen(job)["parent"] for job in jobs} == {os.getpid()}


def test_without_a_server_jobs_start_cold(folder, monkeypatch):
    monkeypatch.setattr(warm, "_try", lambda name: None)
    monkeypatch.setattr(warm, "CONNECT_S", 0.0)
    jobs = [probe(folder, name) for name in "ab"]
    assert run(jobs) == 0
    assert {seen(job)["parent"] for job in jobs} == {os.getpid()}


def test_one_job_alone_starts_no_server(folder, monkeypatch):
    monkeypatch.delenv(warm.OWNER)
    job = probe(folder, "a")
    assert run([job]) == 0
    assert seen(job)["parent"] == os.getpid()


def test_a_server_without_an_owner_ends_with_its_jobs(folder, monkeypatch):
    monkeypatch.delenv(warm.OWNER)
    jobs = [probe(folder, name) for name in "ab"]
    assert run(jobs) == 0
    (server,) = {seen(job)["parent"] for job in jobs}
    assert server != os.getpid()
    wait_until(lambda: is_gone(server))


def test_a_server_with_threads_of_blas_forks_safely(folder, monkeypatch):
    """OpenBLAS starts its threads on import; a fork starts them anew."""
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    code = """
import sys, numpy
a = numpy.random.default_rng(1).random((300, 300))
open(sys.argv[1], "wb").write((a @ a).tobytes())
"""
    (folder / "product.py").write_text(code)
    jobs = []
    for name in "abc":
        argv = (sys.executable, "-m", "product", f"{name}.done")
        jobs.append(Job(name, argv, folder / f"{name}.log", folder / f"{name}.done"))
    assert run(jobs[:2], modules=["numpy"]) == 0
    assert run(jobs[2:], modules=()) == 0
    assert len({job.done.read_bytes() for job in jobs}) == 1
