"""The interface to Slurm with small stand-ins for its commands: what is asked, and what each answer means."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ambiser.config.site import JobRequest, Slurm
from ambiser.errors import UserError
from ambiser.launch import slurm, slurm_arrays, slurm_client, slurm_watch
from ambiser.launch.job import Job
from ambiser.launch.slurm import describe_submission, run_jobs
from ambiser.launch.slurm_arrays import command_of
from ambiser.launch.slurm_client import Unreachable, fate
from ambiser.launch.slurm_status import survey

SITE = Slurm(poll_s=0.3, late_s=0.5, retries=0)
# Each stand-in notes how it was called, and runs what FOLDER/NAME.sh holds.
STAND_IN = """#!/bin/sh
cd "{folder}" && printf '%s\\n' "$(basename "$0") $*" >> calls
[ ! -f "$(basename "$0").sh" ] || . "./$(basename "$0").sh"
"""
REFUSE = "echo 'sbatch: error: {0}' >&2; echo 'sbatch: error: Batch job submission failed: {0}' >&2; exit 1"


@pytest.fixture
def fake(tmp_path, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sbatch", "squeue", "scancel", "scontrol"):
        (folder / name).write_text(STAND_IN.format(folder=folder))
        (folder / name).chmod(0o755)
    (folder / "sbatch.sh").write_text("echo '77;cluster'")
    (folder / "scontrol.sh").write_text("echo 'MaxArraySize            = 1001'")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(slurm, "RETRY_PAUSE_S", 0.05)
    monkeypatch.setattr(slurm_watch, "LEAST_POLL_S", 0.1)
    return folder


def calls(fake, name: str) -> list[str]:
    lines = (fake / "calls").read_text().splitlines() if (fake / "calls").exists() else []
    return [line for line in lines if line.split()[0] == name]


def tasks_of(folder: Path, count: int = 1) -> list[Job]:
    return [Job(f"t{i}", ("true", str(i)), folder / f"t{i}.log", folder / f"t{i}.done") for i in range(count)]


def run(folder: Path, count: int = 1, site: Slurm = SITE, job: JobRequest | None = None, **more: object) -> int:
    tasks = tasks_of(folder, count)
    return run_jobs(tasks, folder=folder / "jobs", slurm=site, request=job or JobRequest(), description="test", **more)


def test_every_key_becomes_an_option_of_sbatch(fake, tmp_path):
    job = JobRequest(
        partition="p",
        account="a",
        qos="q",
        time="1:00:00",
        memory="4G",
        cpus=3,
        gpus=2,
        nodes=2,
        constraint="x&y",
        throttle=5,
        extra=["--mail-type=FAIL"],
    )
    assert run(tmp_path, 3, job=job, wait=False) == 0
    (line,) = calls(fake, "sbatch")
    for option in (
        "--partition=p",
        "--account=a",
        "--qos=q",
        "--time=1:00:00",
        "--mem=4G",
        "--cpus-per-task=3",
        "--gres=gpu:2",
        "--nodes=2",
        "--constraint=x&y",
        "--array=0-2%5",
        "--mail-type=FAIL",
        "--requeue",
        "--signal=B:USR1@120",
    ):
        assert f" {option} " in line


def test_srun_starts_the_processes_of_a_divisible_job():
    task = Job("t", ("train", "it"), Path("log"), Path("done"), divisible=True)
    job = JobRequest(nodes=2, tasks=4, cpus=3, container=["box"])
    assert command_of(task, job) == [
        "srun",
        "--kill-on-bad-exit=1",
        "--nodes=2",
        "--ntasks=8",
        "--ntasks-per-node=4",
        "--cpus-per-task=3",
        "box",
        "train",
        "it",
    ]
    assert command_of(task, JobRequest(container=["box"])) == ["box", "train", "it"]
    assert command_of(replace(task, divisible=False), job) == ["box", "train", "it"]


def test_the_warning_comes_in_the_last_quarter_of_a_short_time_limit(fake, tmp_path):
    run(tmp_path, job=JobRequest(time="2"), wait=False)
    assert "--signal=B:USR1@30 " in calls(fake, "sbatch")[0]


def test_keys_that_are_not_set_are_left_to_the_site(fake, tmp_path):
    run(tmp_path, wait=False)
    line = calls(fake, "sbatch")[0]
    for option in ("--partition", "--account", "--qos", "--time", "--mem", "--constraint", "--gres", "--dependency"):
        assert option not in line


def test_a_dry_run_shows_script_and_command_and_submits_nothing(fake, tmp_path):
    job = JobRequest(modules=["cuda/12"], container=["apptainer", "exec", "a b.sif"], memory="1G")
    text = describe_submission(tasks_of(tmp_path), folder=tmp_path / "jobs", slurm=SITE, request=job)
    assert "#!/bin/bash\nmodule load cuda/12 || { " in text
    assert "\nsbatch --job-name=ambiser-RUN " in text
    assert " --mem=1G " in text
    assert "# 0: apptainer exec 'a b.sif' true 0" in text
    assert not (fake / "calls").exists()
    assert not (tmp_path / "jobs").exists()


@pytest.mark.parametrize(
    "message",
    [
        "invalid partition specified: x",
        "Invalid account or account/partition combination specified",
        "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
    ],
)
def test_a_refusal_is_one_line_and_leaves_nothing_open(fake, tmp_path, message):
    (fake / "sbatch.sh").write_text(REFUSE.format(message.replace("'", "'\\''")))
    with pytest.raises(UserError) as caught:
        run(tmp_path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(calls(fake, "sbatch")) == 1
    assert slurm.find_arrays(tmp_path / "jobs") == []


def test_refusals_are_known_before_submission(fake):
    (fake / "sbatch.sh").write_text(f'case "$*" in *=bad*) {REFUSE.format("invalid partition: bad")};; esac')
    lines = slurm.refusals(Slurm(cpu=JobRequest(partition="good"), train=JobRequest(partition="bad")), ("cpu", "train"))
    assert len(lines) == 1
    assert lines[0].startswith("train: sbatch: error: invalid partition: bad")
    assert all(" --test-only " in line for line in calls(fake, "sbatch"))


def test_missing_slurm_commands_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="sbatch is missing"):
        run(tmp_path)


def test_a_job_with_a_lost_answer_is_looked_up_and_not_submitted_again(fake, tmp_path):
    (fake / "sbatch.sh").write_text("echo 'sbatch: error: Unable to contact slurm controller' >&2; exit 1")
    (fake / "squeue.sh").write_text('case "$*" in *--name*) echo 55;; esac')
    assert run(tmp_path, wait=False) == 0
    assert len(calls(fake, "sbatch")) == 1
    (record,) = (tmp_path / "jobs").glob("*/job.json")
    assert json.loads(record.read_text())["job"] == "55"


def test_a_submission_that_slurm_did_not_accept_is_repeated(fake, tmp_path):
    (fake / "sbatch.sh").write_text(
        "if [ -f once ]; then echo 56; else touch once; echo 'Socket timed out on send/recv' >&2; exit 1; fi"
    )
    assert run(tmp_path, wait=False) == 0
    assert len(calls(fake, "sbatch")) == 2


def test_launching_gives_up_if_the_controller_never_answers(fake, tmp_path, monkeypatch):
    monkeypatch.setattr(slurm, "PATIENCE_S", 0.3)
    (fake / "scontrol.sh").write_text("echo 'Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(UserError, match="Unable to contact slurm controller"):
        run(tmp_path)
    assert calls(fake, "sbatch") == []


def test_a_refused_array_leaves_earlier_arrays_in_the_queue(fake, tmp_path, monkeypatch):
    monkeypatch.setattr(slurm_client, "max_array_size", lambda: 2)
    (fake / "sbatch.sh").write_text(f"if [ -f once ]; then {REFUSE.format('QOSMaxSubmit')}; fi; touch once; echo 57")
    (fake / "squeue.sh").write_text("echo '57|0|PENDING|None'; echo '57|1|PENDING|None'")
    with pytest.raises(UserError, match="QOSMaxSubmit"):
        run(tmp_path, 3)
    (fake / "sbatch.sh").write_text("echo 58")
    assert run(tmp_path, 3, wait=False) == 0
    assert "--array=0-0 " in calls(fake, "sbatch")[-1]


def test_ended_tasks_of_an_earlier_submission_are_submitted_again(fake, tmp_path):
    assert run(tmp_path, 2, wait=False) == 0
    finish(tmp_path, 0, exit=1)
    (fake / "squeue.sh").write_text("echo '77|0|FAILED|None'; echo '77|1|RUNNING|None'")
    (fake / "sbatch.sh").write_text("echo 78")
    assert run(tmp_path, 2, wait=False) == 0
    plans = [json.loads(path.read_text()) for path in sorted((tmp_path / "jobs").glob("*/tasks.json"))]
    assert [[task["name"] for task in plan["tasks"]] for plan in plans] == [["t0", "t1"], ["t0"]]


def finish(folder: Path, index: int, **fields: object) -> None:
    """Writes a status as the worker does."""
    (place,) = (folder / "jobs").glob("0001-*")
    plan = json.loads((place / "tasks.json").read_text())
    status = {
        "run": plan["run"],
        "digest": plan["tasks"][index]["digest"],
        "state": "ended",
        "exit": 0,
        "reason": "",
        "host": "h",
        "slurm": "77",
        "restarts": 0,
        "log_start": 0,
    }
    (place / "status" / f"{index}.json").write_text(json.dumps(status | fields))


def watch(folder: Path, count: int) -> dict[str, object]:
    """Submits, lets the tasks write what was prepared, and returns the failure of each."""
    array = slurm.find_arrays(folder / "jobs")[0]
    array.watched = set(range(count))
    ended = slurm_watch.outcomes([array], poll_s=0.3, late_s=0.5)
    return {task.name: failure for task, failure in ended}


def test_a_thousand_tasks_need_one_squeue_call_per_interval(fake, tmp_path):
    lines = "".join(f"77|{i}|FAILED|None\n" for i in range(1000))
    (fake / "answer").write_text(lines)
    (fake / "squeue.sh").write_text("cat answer")
    assert run(tmp_path, 1000, wait=False) == 0
    before = len(calls(fake, "squeue"))
    failed = watch(tmp_path, 1000)
    assert len(failed) == 1000
    assert all(failure.reason == "Slurm: FAILED" for failure in failed.values())
    assert len(calls(fake, "squeue")) - before <= 12


def test_only_its_own_status_makes_a_task_succeed(fake, tmp_path):
    (fake / "squeue.sh").write_text('for i in 0 1 2 3; do echo "77|$i|COMPLETED|None"; done')
    assert run(tmp_path, 4, wait=False) == 0
    for i in range(4):
        (tmp_path / f"t{i}.done").touch()
    finish(tmp_path, 0)
    finish(tmp_path, 1, run="another")
    finish(tmp_path, 2, digest="another")
    failed = watch(tmp_path, 4)
    assert failed["t0"] is None
    assert [failed[f"t{i}"].reason for i in (1, 2, 3)] == ["Slurm: COMPLETED"] * 3


def test_a_status_counts_even_if_slurm_has_forgotten_the_job(fake, tmp_path):
    (fake / "squeue.sh").write_text("echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    assert run(tmp_path, 2, wait=False) == 0
    (tmp_path / "t0.done").touch()
    finish(tmp_path, 0)
    finish(tmp_path, 1, exit=6)
    failed = watch(tmp_path, 2)
    assert failed["t0"] is None
    assert failed["t1"].status == 6


def test_watching_waits_for_a_file_that_appears_late(fake, tmp_path):
    (fake / "squeue.sh").write_text("echo '77|0|COMPLETED|None'")
    assert run(tmp_path, 1, wait=False) == 0
    finish(tmp_path, 0)
    process = subprocess.Popen(["sh", "-c", 'sleep 0.3; touch "$0"', str(tmp_path / "t0.done")])
    assert watch(tmp_path, 1) == {"t0": None}
    process.wait()


def test_a_file_that_never_appears_is_a_failure(fake, tmp_path):
    assert run(tmp_path, 1, wait=False) == 0
    finish(tmp_path, 0)
    assert watch(tmp_path, 1)["t0"].reason == f"{tmp_path}/t0.done is missing"


def test_the_survey_lists_every_state_with_its_reason(fake, tmp_path):
    assert run(tmp_path, 5, wait=False) == 0
    finish(tmp_path, 0)
    finish(tmp_path, 1, exit=6)
    finish(tmp_path, 2, state="running", host="n7", restarts=2)
    (fake / "squeue.sh").write_text("printf '77|%s|None\\n' '2|RUNNING' '4|NODE_FAIL'; echo '77|3|PENDING|Resources'")
    rows, trouble = survey([tmp_path / "jobs", tmp_path / "none"])
    assert trouble == ""
    assert [(row.name, row.state, row.reason, row.job) for row in rows["jobs"]] == [
        ("t0", "done", "", "77_0"),
        ("t1", "failed", "exit status 6", "77_1"),
        ("t2", "running", "on n7, restart 2", "77_2"),
        ("t3", "pending", "Resources", "77_3"),
        ("t4", "failed", "Slurm: NODE_FAIL", "77_4"),
    ]
    assert "none" not in rows
    (fake / "squeue.sh").write_text("echo 'Unable to contact slurm controller' >&2; exit 1")
    rows, trouble = survey([tmp_path / "jobs"])
    assert trouble == "Unable to contact slurm controller"
    assert [row.state for row in rows["jobs"]] == ["done", "failed", "unknown", "unknown", "unknown"]


@pytest.mark.parametrize(
    ("state", "reason", "expected"),
    [
        ("PENDING", "Resources", ""),
        ("PENDING", "JobHeldUser", "Slurm: JobHeldUser"),
        ("PENDING", "JobHoldMaxRequeue", "Slurm: JobHoldMaxRequeue"),
        ("PENDING", "launch failed requeued held", "Slurm: launch failed requeued held"),
        ("PENDING", "DependencyNeverSatisfied", "Slurm: DependencyNeverSatisfied"),
        ("RUNNING", "None", ""),
        ("COMPLETING", "None", ""),
        ("REQUEUE_HOLD", "None", "Slurm: REQUEUE_HOLD"),
        ("NODE_FAIL", "None", "Slurm: NODE_FAIL"),
        ("TIMEOUT", "TimeLimit", "Slurm: TIMEOUT"),
        ("OUT_OF_MEMORY", "None", "Slurm: OUT_OF_MEMORY"),
    ],
)
def test_slurms_state_and_reason_decide_what_happens_to_a_task(state, reason, expected):
    assert fate(state, reason) == expected


def test_slurm_variables_of_the_launchers_own_job_are_not_passed_on(fake, monkeypatch):
    monkeypatch.setenv("SLURM_MEM_PER_CPU", "1")
    monkeypatch.setenv("SBATCH_PARTITION", "p")
    monkeypatch.setenv("SLURM_CONF", "c")
    (fake / "sbatch.sh").write_text('echo "$SLURM_MEM_PER_CPU|$SBATCH_PARTITION|$SLURM_CONF"')
    assert slurm_client.sbatch([], "x") == "||c"


def test_a_squeue_without_an_answer_is_unreachable(fake):
    (fake / "squeue.sh").write_text("echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(Unreachable):
        slurm_client.squeue(["1"])


# The worker, without Slurm.


def work(folder: Path, code: str, restarts: int = 0, **more: str) -> tuple[int, dict]:
    task = Job("t", (sys.executable, "-S", "-c", code, str(folder / "t.done")), folder / "t.log", folder / "t.done")
    places = list((folder / "jobs").glob("*"))
    place = places[0] if places else slurm_arrays.prepare(folder / "jobs", [task], JobRequest(), 3).folder
    names = {"SLURM_ARRAY_TASK_ID": "0", "SLURM_ARRAY_JOB_ID": "9", "SLURM_RESTART_COUNT": str(restarts)}
    done = subprocess.run([sys.executable, slurm_arrays.WORKER, place], env=os.environ | names | more)
    return done.returncode, json.loads((place / "status/0.json").read_text())


def test_the_worker_records_how_a_command_ended(tmp_path):
    status, fields = work(tmp_path, "import sys; open(sys.argv[1], 'w'); print('x')")
    assert status == 0
    assert {k: fields[k] for k in ("state", "exit", "slurm", "restarts")} == {
        "state": "ended",
        "exit": 0,
        "slurm": "9",
        "restarts": 0,
    }
    assert "\nx\n" in (tmp_path / "t.log").read_text()


@pytest.mark.parametrize(
    ("code", "expected", "noted"),
    [("raise SystemExit(6)", 6, 6), ("import os; os.kill(os.getpid(), 9)", 137, -9), ("pass", 1, 1)],
)
def test_the_worker_keeps_exit_codes(tmp_path, code, expected, noted):
    status, fields = work(tmp_path, code)
    assert (status, fields["exit"], fields["state"]) == (expected, noted, "ended")


def test_a_log_that_cannot_be_written_is_reported(tmp_path):
    (tmp_path / "t.log").mkdir()
    status, fields = work(tmp_path, "pass")
    assert status == 1
    assert fields["reason"].startswith("log cannot be written: ")


def test_an_abandoned_attempt_does_not_overwrite_a_later_one(tmp_path):
    work(tmp_path, "raise SystemExit(6)", restarts=1)
    _, fields = work(tmp_path, "raise SystemExit(5)", restarts=0)
    assert (fields["restarts"], fields["exit"]) == (1, 6)
