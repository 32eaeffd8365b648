"""Jobs on a real Slurm, started for these tests: what comes of failures, signals, kills, and lost daemons."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from launch.cluster import Cluster, needs_slurm, running

from ambiser.config.site import JobRequest, Slurm
from ambiser.errors import UserError
from ambiser.launch import slurm, slurm_client
from ambiser.launch.job import Job
from ambiser.launch.slurm import run_jobs

pytestmark = needs_slurm()
JOB = JobRequest(memory="300M")
SITE = Slurm(train=JOB, poll_s=1, late_s=4, retries=0)
CODE = "import os, signal, subprocess, sys, time; done = sys.argv[1]; "
WRITE = "open(done, 'w').write(os.environ['SLURM_ARRAY_JOB_ID'])"
TICK = "open(done + '.runs', 'a').write('x'); "
# Every run leaves an x, stops when it is asked to as the training programs do, and the second run ends well.
STOPPABLE = (
    f"signal.signal(signal.SIGTERM, lambda *_: os._exit(130)); {TICK}"
    f"{WRITE} if os.path.getsize(done + '.runs') > 1 else time.sleep(100)"
)


@pytest.fixture
def fresh_cluster():
    """One of its own, for a test that leaves it without a node, or with numbers of jobs that come again."""
    with running() as made:
        yield made


@pytest.fixture(autouse=True)
def _use(cluster, monkeypatch):
    monkeypatch.setenv("SLURM_CONF", str(cluster.conf))


def python(name: str, folder: Path, code: str = WRITE) -> Job:
    done = folder / f"{name}.done"
    return Job(name, (sys.executable, "-S", "-c", CODE + code, str(done)), folder / "logs" / f"{name}.log", done)


def run(tasks, folder: Path, site: Slurm = SITE, job: JobRequest = JOB) -> int:
    return run_jobs(tasks, folder=folder / "jobs", slurm=site, request=job, description="test")


# A launcher as a process of its own: FOLDER CODE COUNT [SITE] [JOB].
LAUNCHER = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from launch.test_slurm import JOB, SITE, python, run
from ambiser.io.console import run_main, set_up_logging
set_up_logging()
folder = Path(sys.argv[2])
site = SITE.model_copy(update=json.loads(sys.argv[5]))
job = JOB.model_copy(update=json.loads(sys.argv[6]))
run_main(lambda: run([python(f"t{i}", folder, sys.argv[3]) for i in range(int(sys.argv[4]))], folder, site, job))
"""


@pytest.fixture
def launch(tmp_path, cluster):
    started = []

    def start(
        code: str, count: int = 2, site: dict | None = None, job: dict | None = None, on: Cluster = cluster
    ) -> subprocess.Popen:
        root = Path(__file__).resolve().parents[2]
        words = [root / "tests", tmp_path, code, count, json.dumps(site or {}), json.dumps(job or {})]
        process = subprocess.Popen(
            [sys.executable, "-c", LAUNCHER, *map(str, words)],
            env=on.environment | {"PYTHONPATH": str(root)},
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def end(process: subprocess.Popen, seconds: float = 120) -> tuple[int, str]:
    _, errors = process.communicate(timeout=seconds)
    return process.returncode, errors


def wait_until(condition, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def job_of(folder: Path) -> str:
    """The number of the last submission, as soon as it has one."""
    found: list[str] = []

    def look() -> bool:
        records = [json.loads(path.read_text()) for path in sorted((folder / "jobs").glob("*/job.json"))]
        found[:] = [records[-1]["job"]] if records else []
        return bool(found and found[0])

    wait_until(look)
    return found[0]


def queue(cluster, job: str) -> list[str]:
    return cluster.client("squeue", "-h", "-r", "-j", job, "-o", "%T").split()


@pytest.fixture(scope="module")
def time_limit(cluster, tmp_path_factory):
    """A job that does not listen, past its limit of a minute; it runs beside the other tests."""
    folder = tmp_path_factory.mktemp("limit")
    code = "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(300)"
    root = Path(__file__).resolve().parents[2]
    words = [root / "tests", folder, code, 1, "{}", '{"time": "1"}']
    process = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, *map(str, words)],
        env=cluster.environment | {"PYTHONPATH": str(root)},
        stderr=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.communicate()


def test_all_jobs_run_with_unusual_paths(time_limit, tmp_path):
    folder = tmp_path / "a folder; with $signs %j and 'quotes'"
    tasks = [python(f"t{i}", folder) for i in range(4)]
    assert run(tasks, folder) == 0
    log = tasks[0].log.read_text()
    for line in ("# command: ", "# host: n", "# start: 20", "# end: 20", "# seconds: ", "# exit: 0\n"):
        assert line in log
    (record,) = (folder / "jobs").glob("*/job.json")
    assert json.loads(record.read_text())["state"] == "closed"


def test_only_the_failed_task_is_retried(tmp_path, capsys):
    tasks = [python("good", tmp_path, TICK + WRITE), python("bad", tmp_path, TICK + "print('oops'); sys.exit(6)")]
    assert run(tasks, tmp_path, SITE.model_copy(update={"retries": 1})) == 1
    text = capsys.readouterr().err
    assert "1 of 2 jobs failed" in text
    assert f"bad, exit status 6; log: {tasks[1].log}\n  | oops\n" in text
    assert [len(Path(f"{task.done}.runs").read_text()) for task in tasks] == [1, 2]
    assert tasks[1].log.read_text().count("# exit: 6") == 2


def test_an_error_of_the_user_is_not_retried(tmp_path, capsys):
    task = python("t", tmp_path, TICK + "print('prog: error: a.yaml:3: no'); sys.exit(2)")
    assert run([task], tmp_path, SITE.model_copy(update={"retries": 3})) == 2
    assert "  | prog: error: a.yaml:3: no" in capsys.readouterr().err
    assert Path(f"{task.done}.runs").read_text() == "x"


def test_a_job_that_exits_with_0_without_its_last_file_has_failed(tmp_path, capsys):
    assert run([python("t", tmp_path, "pass")], tmp_path) == 1
    assert "t.done is missing" in capsys.readouterr().err


def test_a_task_with_a_gpu_sees_it(tmp_path):
    task = python("t", tmp_path, "open(done, 'w').write(os.environ['CUDA_VISIBLE_DEVICES'])")
    assert run([task], tmp_path, job=JobRequest(memory="300M", partition="gpu", gpus=1)) == 0
    assert task.done.read_text() in ("0", "1")


def test_jobs_beyond_the_array_limit_go_into_several_arrays(tmp_path, monkeypatch):
    monkeypatch.setattr(slurm_client, "max_array_size", lambda: 2)
    tasks = [python(f"t{i}", tmp_path) for i in range(5)]
    assert run(tasks, tmp_path) == 0
    assert len({task.done.read_text() for task in tasks}) == 3


@pytest.mark.parametrize(
    ("job", "message"),
    [
        (JobRequest(partition="nowhere"), "sbatch: error: invalid partition specified: nowhere"),
        (JobRequest(memory="999G"), "Requested node configuration is not available"),
        (JobRequest(extra=["--no-such-option"]), "unrecognized option"),
    ],
)
def test_a_refused_submission_shows_slurms_message(tmp_path, job, message):
    with pytest.raises(UserError, match=message) as caught:
        run([python("t", tmp_path)], tmp_path, job=job)
    assert "\n" not in str(caught.value)
    assert slurm.find_arrays(tmp_path / "jobs") == []


def test_scancel_is_a_failure_and_the_other_tasks_continue(tmp_path, launch, cluster):
    process = launch(f"time.sleep(0 if done.endswith('t0.done') else 100); {WRITE}", site={"retries": 2})
    job = job_of(tmp_path)
    wait_until((tmp_path / "t0.done").exists)
    cluster.client("scancel", f"{job}_1")
    status, text = end(process, 20)
    assert status == 1
    assert "t1, Slurm: CANCELLED" in text
    assert "retrying" not in text


def test_a_held_task_is_a_failure(tmp_path, launch, cluster):
    process = launch(f"time.sleep(3); {WRITE}", job={"throttle": 1})
    job = job_of(tmp_path)
    cluster.client("scontrol", "hold", f"{job}_1")
    status, text = end(process, 30)
    assert status == 1
    assert re.search("t1, Slurm: JobHeld(User|Admin); log: ", text)
    assert queue(cluster, job) == []


def test_exceeding_the_memory_is_a_failure(tmp_path, capsys):
    task = python("t", tmp_path, f"x = b'1' * 900_000_000; time.sleep(30); {WRITE}")
    assert run([task], tmp_path, job=JobRequest(memory="100M")) == 1
    text = capsys.readouterr().err
    assert re.search(r"^t, .*([Ee]xceeded (job )?memory limit|OUT_OF_MEMORY|out of memory)", text, re.MULTILINE)


def test_a_killed_worker_is_a_failure_and_its_command_ends(tmp_path, launch):
    process = launch("open(done + '.pids', 'w').write(f'{os.getppid()} {os.getpid()}'); time.sleep(100)", 1)
    note = tmp_path / "t0.done.pids"
    wait_until(lambda: note.exists() and len(note.read_text().split()) == 2)
    worker, command = map(int, note.read_text().split())
    os.kill(worker, signal.SIGKILL)
    status, text = end(process, 30)
    assert status == 1
    assert "t0, Slurm: " in text
    wait_until(lambda: not Path(f"/proc/{command}").exists())


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_cancels_the_array(tmp_path, launch, cluster, signum):
    process = launch("time.sleep(100)", 6)
    job = job_of(tmp_path)
    wait_until(lambda: "RUNNING" in queue(cluster, job))
    os.killpg(process.pid, signum)
    assert end(process, 20)[0] == 130
    wait_until(lambda: queue(cluster, job) == [])


def test_after_a_killed_launcher_the_next_takes_its_jobs_over(tmp_path, launch):
    code = TICK + f"time.sleep(3); {WRITE}"
    first = launch(code)
    job = job_of(tmp_path)
    first.kill()
    status, text = end(launch(code))
    assert status == 0, text
    assert "test: 2 of 2 jobs are in the queue already" in text
    assert [(tmp_path / f"t{i}.done").read_text() for i in (0, 1)] == [job, job]
    assert [(tmp_path / f"t{i}.done.runs").read_text() for i in (0, 1)] == ["x", "x"]


def test_a_submission_with_a_lost_answer_is_found(tmp_path, launch):
    code = TICK + f"time.sleep(3); {WRITE}"
    first = launch(code)
    job_of(tmp_path)
    first.kill()
    (record,) = (tmp_path / "jobs").glob("*/job.json")
    record.write_text(json.dumps(json.loads(record.read_text()) | {"state": "submitting", "job": ""}))
    assert end(launch(code))[0] == 0
    assert [(tmp_path / f"t{i}.done.runs").read_text() for i in (0, 1)] == ["x", "x"]


def test_a_removed_folder_is_a_failure_without_a_hang(tmp_path, launch):
    process = launch(f"time.sleep(2); {WRITE}", 1)
    job_of(tmp_path)
    (tmp_path / "jobs").rename(tmp_path / "removed")  # a task that starts now may still write into it
    status, text = end(process, 40)
    assert status == 1
    assert "1 of 1 jobs failed" in text


def test_a_task_near_its_time_limit_is_requeued_and_succeeds(tmp_path, launch, cluster):
    process = launch(STOPPABLE, 1)
    job = job_of(tmp_path)
    wait_until((tmp_path / "t0.done.runs").exists)
    cluster.client("scancel", "--batch", "--signal=USR1", f"{job}_0")
    status, text = end(process)
    assert status == 0, text
    assert (tmp_path / "t0.done.runs").read_text() == "xx"
    log = (tmp_path / "logs/t0.log").read_text()
    assert "# stopped by the warning before the time limit; requeued" in log
    assert "restart 1" in log


def test_a_task_that_is_requeued_too_often_fails(tmp_path, launch, cluster):
    process = launch(STOPPABLE, 1, site={"requeues": 0})
    job = job_of(tmp_path)
    wait_until((tmp_path / "t0.done.runs").exists)
    cluster.client("scancel", "--batch", "--signal=USR1", f"{job}_0")
    status, text = end(process)
    assert status == 1
    assert "t0, reached the time limit in attempt 1; request more time in conf/slurm.yaml" in text


def test_the_controller_killed_just_after_a_submit_changes_nothing(tmp_path, launch, fresh_cluster):
    cluster = fresh_cluster
    process = launch(TICK + f"time.sleep(4); {WRITE}; sys.exit(6 if done.endswith('t1.done') else 0)", on=cluster)
    job_of(tmp_path)
    wait_until(lambda: all((tmp_path / f"t{i}.done.runs").exists() for i in (0, 1)))
    cluster.kill_controller()
    time.sleep(3)
    assert process.poll() is None
    cluster.start_controller()
    status, text = end(process)
    assert status == 1
    assert "t1, exit status 6; log: " in text
    assert "1 of 2 jobs failed" in text
    assert (tmp_path / "t0.done.runs").read_text() == "x"


def test_a_task_of_a_dead_node_runs_again(tmp_path, launch, fresh_cluster):
    cluster = fresh_cluster
    code = TICK + f"time.sleep(0 if os.path.getsize(done + '.runs') > 1 else 100); {WRITE}"
    process = launch(code, 1, on=cluster)
    job = job_of(tmp_path)
    wait_until((tmp_path / "t0.done.runs").exists)
    cluster.kill_node(cluster.client("squeue", "-h", "-j", job, "-o", "%N").strip())
    status, text = end(process, 90)
    assert status == 0, text
    assert (tmp_path / "t0.done.runs").read_text() == "xx"


def test_a_preempted_task_runs_again(tmp_path, launch, cluster):
    process = launch(TICK + f"time.sleep(0 if os.path.getsize(done + '.runs') > 1 else 100); {WRITE}", 1)
    job_of(tmp_path)
    wait_until((tmp_path / "t0.done.runs").exists)
    cluster.client("sbatch", "-p", "urgent", "-N", "2", "-n", "4", "-o", str(tmp_path / "urgent.out"), "--wrap", "true")
    status, text = end(process)
    assert status == 0, text
    assert (tmp_path / "t0.done.runs").read_text() == "xx"
    assert "restart 1" in (tmp_path / "logs/t0.log").read_text()


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """A site whose only environment module is cuda/12.4."""
    site = tmp_path / "modules.sh"
    site.write_text("""module() { [[ $1 == load && $2 == cuda/12.4 ]] && export LOADED="$2"; }""")
    monkeypatch.setenv("BASH_ENV", str(site))


def test_modules_are_loaded_and_the_container_goes_before_the_command(tmp_path, modules):
    job = JOB.model_copy(update={"modules": ["cuda/12.4"], "container": ["/usr/bin/env", "INSIDE=a container"]})
    task = python("t0", tmp_path, "open(done, 'w').write(os.environ['LOADED'] + ' in ' + os.environ['INSIDE'])")
    assert run([task], tmp_path, job=job) == 0
    assert task.done.read_text() == "cuda/12.4 in a container"


def test_a_missing_module_is_named(tmp_path, modules, capsys):
    assert run([python("t0", tmp_path)], tmp_path, job=JOB.model_copy(update={"modules": ["cuda/13"]})) == 1
    assert "module load cuda/13 failed" in capsys.readouterr().err


def test_a_time_limit_is_a_failure(time_limit):
    status, text = end(time_limit, 150)
    assert status == 1
    assert "t0, Slurm: TIMEOUT" in text
