"""One training by processes on two nodes of a real Slurm, started for these tests."""

import sys
from pathlib import Path

import pytest
from launch.cluster import needs_slurm

from ambiser.config.site import JobRequest, Slurm
from ambiser.launch.job import Job
from ambiser.launch.slurm import run_jobs

pytestmark = needs_slurm()
JOB = JobRequest(memory="500M", nodes=2)
SITE = Slurm(poll_s=0.5, late_s=4, retries=0)
ROOT = Path(__file__).resolve().parents[2]
START = """
import os, signal, sys, time
from pathlib import Path
from ambiser.launch.ranks import find_place
done, place = Path(sys.argv[1]), find_place(os.environ)
"""
TOGETHER = """
import torch
from torch import distributed
from ambiser.train.processes import is_first, joined
with joined(place, torch.device("cpu")):
    total = torch.tensor([10.0 ** place.rank])
    distributed.all_reduce(total)
    if is_first(): done.write_text(f"{place.size} {total.item():.0f}")
"""


@pytest.fixture(autouse=True)
def _use(cluster, monkeypatch):
    monkeypatch.setenv("SLURM_CONF", str(cluster.conf))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def run(folder: Path, code: str, divisible: bool = True) -> tuple[int, str, str]:
    """Returns the exit status, what the task wrote as its last file, and its log."""
    done, log = folder / "done", folder / "log"
    task = Job("train", (sys.executable, "-c", START + code, str(done)), log, done, divisible)
    status = run_jobs([task], folder=folder / "jobs", slurm=SITE, request=JOB, description="test")
    return status, done.read_text() if done.is_file() else "", log.read_text()


def test_two_nodes_train_together(tmp_path):
    status, text, log = run(tmp_path, TOGETHER)
    assert (status, text) == (0, "2 11"), log


def test_an_indivisible_job_runs_in_one_process(tmp_path):
    status, text, log = run(tmp_path, "with open(done, 'a') as stream: stream.write(str(place.size))", divisible=False)
    assert (status, text) == (0, "1"), log


def test_a_killed_rank_ends_the_job(tmp_path, capfd):
    code = """
if place.rank == 1: os.kill(os.getpid(), signal.SIGKILL)
time.sleep(300)
"""
    status, text, log = run(tmp_path, code)
    assert (status, text) == (1, "")
    assert "1 of 1 jobs failed" in capfd.readouterr().err
    assert "srun: error" in log


def test_a_training_near_its_time_limit_is_requeued_and_succeeds(tmp_path):
    """The first run lasts until it is warned, which its first process brings about; the second one ends at once."""
    code = """
runs = [done.parent / f"runs{rank}" for rank in range(place.size)]
with open(runs[place.rank], "a") as stream: stream.write("x")
if runs[place.rank].read_text() == "x":
    while not all(path.exists() for path in runs): time.sleep(0.05)
    if place.rank == 0:
        job = os.environ["SLURM_ARRAY_JOB_ID"] + "_" + os.environ["SLURM_ARRAY_TASK_ID"]
        os.system("scancel --batch --signal=USR1 " + job)
    time.sleep(300)
if place.rank == 0: done.write_text("well")
"""
    status, text, log = run(tmp_path, code)
    assert (status, text) == (0, "well"), log
    assert [(tmp_path / f"runs{rank}").read_text() for rank in (0, 1)] == ["xx", "xx"]
    assert "# stopped by the warning before the time limit; requeued" in log
