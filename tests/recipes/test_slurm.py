"""The mini recipe on a reduced size with --launcher slurm, on a real Slurm: as here, to the byte."""

import os
import signal
import time
from pathlib import Path

import pytest
from launch.cluster import needs_slurm
from recipes.test_mini import TAG, Recipe, contents, good, wait_for

pytestmark = needs_slurm()
SITE = """\
cpu: {memory: 900M}
train: {memory: 900M}
feature_parts: 2
poll_s: 2
late_s: 5
retries: 0
"""
ONE = ["--config", "ipr_amber2", "--folds", 1, "--set", "contrastive.epochs=30"]


@pytest.fixture(scope="module")
def make(root, environment, cluster, tmp_path_factory):
    def make(**folders: Path) -> Recipe:
        base = tmp_path_factory.mktemp("recipe")
        (base / "slurm.yaml").write_text(SITE)
        recipe = Recipe(root / "egs/mini/run.sh", base, environment | {"SLURM_CONF": str(cluster.conf)})
        vars(recipe).update(folders)
        recipe.slurm = ["--launcher", "slurm", "--slurm_config", base / "slurm.yaml"]
        return recipe

    return make


@pytest.fixture(scope="module")
def here(make):
    """The same run on this machine."""
    recipe = make()
    good(recipe.run(*ONE, "--stop_stage", 7))
    return recipe


def test_a_run_on_slurm_that_was_warned_ends_in_the_same_bytes(here, make, cluster):
    recipe = make(data=here.data)
    process = recipe.start(*ONE, "--stage", 2, *recipe.slurm)
    last = recipe.exp / TAG / "fold1/contrastive/last.pt"
    wait_for(last.is_file, process, 120)
    (job,) = cluster.client("squeue", "-h", "-t", "R", "-o", "%F").split()
    cluster.client("scancel", "--batch", "--signal=USR1", job)
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 0, text
    log = (recipe.exp / TAG / "logs/contrastive.fold1.log").read_text()
    assert "# stopped by the warning before the time limit; requeued" in log
    assert "restart 1" in log
    assert "resumes after epoch" in log
    assert len(contents(here.exp)) == 10
    assert contents(recipe.exp) == contents(here.exp)
    for ark in here.dump.rglob("*.ark"):
        assert (recipe.dump / ark.relative_to(here.dump)).read_bytes() == ark.read_bytes()
    assert not (recipe.dump / "fbank/parts").exists()
    assert "Slurm, contrastive: 1 done" in good(recipe.run(*ONE, "--status", "true")).stdout


def test_all_stages_can_be_submitted_at_once(here, make, cluster, cold_environment):
    """Every job starts Python anew, as for a user."""
    recipe = make(data=here.data)
    recipe.environment = cold_environment | {"SLURM_CONF": str(cluster.conf)}
    options = ["--config", "ce", "--folds", "1 2"]
    done = good(recipe.run(*options, "--stage", 2, *recipe.slurm, "--wait", "false"))
    assert "distill: 2 jobs submitted: " in done.stderr
    assert not (recipe.exp / "RESULTS.md").exists()
    status = good(recipe.run(*options, "--status", "true")).stdout
    assert "report  pending" in status  # Slurm names the reason a moment later
    deadline = time.monotonic() + 90
    while not (recipe.exp / "report.html").exists():
        assert time.monotonic() < deadline, good(recipe.run(*options, "--status", "true")).stdout
        time.sleep(0.2)
    assert len(contents(recipe.exp, "ce-fbank-s1/**/*")) == 7


def test_a_faulty_site_file_is_named_before_anything_is_submitted(here, make):
    recipe = make(data=here.data)
    site = recipe.slurm[-1]
    site.write_text("cpu: {memry: 1G}\ntrain: {cpus: none}\n")
    done = recipe.run("--stage", 2, *recipe.slurm)
    assert done.returncode == 2
    assert f"{site}:1: unknown key 'cpu.memry'; did you mean 'cpu.memory'?" in done.stderr
    assert f"{site}:2: train.cpus: should be a valid integer" in done.stderr
    assert not recipe.exp.exists()


def test_ctrl_c_leaves_nothing_in_the_queue(here, make, cluster):
    recipe = make(data=here.data, dump=here.dump)
    process = recipe.start("--config", "ipr_amber2", "--stage", 3, "--stop_stage", 3, *recipe.slurm)
    wait_for(lambda: cluster.client("squeue", "-h", "-t", "R"), process)
    os.killpg(process.pid, signal.SIGINT)
    text, _ = process.communicate(timeout=30)
    assert process.returncode == 130, text
    assert text.splitlines()[-1].startswith("run.sh: stopped in stage 3; to resume: ./run.sh ")
    cluster.wait_for(lambda: not cluster.client("squeue", "-h"), 20)
