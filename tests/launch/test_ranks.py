"""Several processes of one training on one machine: where each stands, and what becomes of all when one fails."""

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from ambiser.errors import UserError
from ambiser.launch import ranks
from ambiser.launch.ranks import Place, find_place, run_ranks


def test_a_single_process_is_rank_0_of_1():
    assert find_place({}) == Place(rank=0, size=1)
    assert find_place({"WORLD_SIZE": "1", "RANK": "0"}).size == 1


def test_torchrun_sets_the_rank():
    environment = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "n1", "MASTER_PORT": "29500"}
    assert find_place(environment) == Place(3, 4, 1, "n1", 29500)


STEP = {
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
    "SLURM_JOB_ID": "712",
    "SLURM_STEP_ID": "0",
    "SLURM_STEP_NODELIST": "n[1-2]",
}


@pytest.fixture
def scontrol(tmp_path, monkeypatch):
    """A function that puts a scontrol of so many lines of shell first on PATH."""

    def make(script: str) -> None:
        (tmp_path / "scontrol").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "scontrol").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    return make


def test_srun_sets_the_rank(scontrol):
    scontrol('if [ "$2" = hostnames ]; then echo n1; echo n2; else echo "NodeName=$3 NodeAddr=10.0.0.7 State=IDLE"; fi')
    place = find_place(STEP)
    assert (place.rank, place.size, place.local_rank, place.host) == (3, 4, 1, "10.0.0.7")
    assert 10000 <= place.port < 30000
    assert find_place(STEP | {"SLURM_PROCID": "0"}).port == place.port
    assert find_place(STEP | {"SLURM_JOB_ID": "713"}).port != place.port


def test_a_batch_script_of_a_larger_job_is_one_process():
    assert find_place({"SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_JOB_ID": "712"}).size == 1


def test_an_unreachable_slurm_is_one_line(scontrol):
    scontrol("echo 'slurm_load_node error: Unable to contact' >&2; exit 1")
    with pytest.raises(UserError, match=r"^scontrol show hostnames: slurm_load_node error: Unable to contact$"):
        find_place(STEP)


def python(code: str) -> list[str]:
    return [sys.executable, "-S", "-c", "import os, signal, sys, time; rank = int(os.environ['RANK']); " + code]


def test_all_ranks_run_with_their_places(tmp_path):
    wanted = "('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT')"
    code = f"import json; json.dump({{n: os.environ[n] for n in {wanted}}}, open(sys.argv[1] + str(rank), 'w'))"
    assert run_ranks([*python(code), str(tmp_path / "r")], 3) == 0
    places = [find_place(json.loads((tmp_path / f"r{rank}").read_text())) for rank in range(3)]
    assert [(place.rank, place.size, place.local_rank) for place in places] == [(0, 3, 0), (1, 3, 1), (2, 3, 2)]
    assert len({(place.host, place.port) for place in places}) == 1


@pytest.mark.parametrize(
    ("code", "status", "ending"),
    [
        ("sys.exit(2)", 2, "exit status 2"),
        ("sys.exit(7)", 1, "7"),
        ("os.kill(os.getpid(), signal.SIGKILL)", 1, "SIGKILL"),
    ],
)
@pytest.mark.parametrize("failing", [0, 1])
def test_a_failing_rank_stops_all(capfd, caplog, tmp_path, code, status, ending, failing):
    start = time.monotonic()
    rest = f"print('heard', rank, file=sys.stderr, flush=True)\nif rank == {failing}: {code}\ntime.sleep(60)"
    assert run_ranks(python("pass\n" + rest), 2) == status
    assert time.monotonic() - start < 50  # before the other ends by itself
    assert f"heard {failing}" in capfd.readouterr().err


def test_a_rank_that_ignores_sigterm_is_killed(monkeypatch):
    monkeypatch.setattr(ranks, "GRACE_S", 0.5)
    deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nif rank == 1: time.sleep(1); sys.exit(1)\ntime.sleep(60)"
    start = time.monotonic()
    assert run_ranks(python("pass\n" + deaf), 2) == 1
    assert time.monotonic() - start < 50  # before the other ends by itself


def test_ranks_die_with_their_launcher(environment):
    code = (
        "import sys; from ambiser.launch.ranks import run_ranks; "
        "run_ranks([sys.executable, '-S', '-c', 'import os, time; print(os.getpid(), flush=True); time.sleep(300)'], 1)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    for _ in range(1000):
        if not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE:
            return
        time.sleep(0.05)
    raise AssertionError("the child lives on")
