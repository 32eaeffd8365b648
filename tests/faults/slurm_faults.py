"""Faults of a recipe whose jobs run on a real Slurm: SIGKILL to launcher, job, node or controller, and scancel."""

import atexit
import contextlib
import functools
import random
import time

import psutil
from faults.recipe_run import RecipeRun, end_of, family
from faults.trial import Trial, again
from launch.cluster import Cluster

SITE = """\
cpu: {memory: 900M}
train: {memory: 900M}
poll_s: 1
late_s: 5
retries: 0
"""


def slurm(recipe: RecipeRun, stage: int, rng: random.Random) -> Trial:
    """Kills a part of a run on Slurm, or cancels its jobs; the second run starts while jobs of the first may run."""
    stage = max(stage, 2)  # stage 1 has no job
    cluster = start_cluster()
    recipe.restore(stage - 1)
    site = recipe.base / "slurm.yaml"
    site.write_text(SITE)
    recipe.launcher = ["--launcher", "slurm", "--slurm_config", str(site)]
    recipe.environment["SLURM_CONF"] = str(cluster.conf)
    victim = rng.choice(["launcher", "launcher", "job", "node", "controller", "scancel"])
    process = recipe.start(stage, stage)
    at_s = rng.uniform(0, 1.5 * recipe.seconds[stage])
    time.sleep(at_s)
    try:
        strike(cluster, recipe, process, victim)
        trial = again(recipe, stage, f"{victim} after {at_s:.1f} s", end_of(process))
        cluster.wait_for(lambda: not waiting(cluster), 120)
        if trial.good and (different := recipe.differences(stage)):  # by a job of the first run
            return Trial(trial.detail, f"other bytes later: {' '.join(different[:3])}", trial.text, good=False)
        return trial
    finally:
        recipe.launcher = []
        cluster.client("scancel", "-f", *cluster.client("squeue", "-h", "-o", "%A").split())


def waiting(cluster: Cluster) -> list[str]:
    """Returns the reasons of tasks that can still run; Slurm holds a task that a killed controller started twice."""
    return [reason for reason in cluster.client("squeue", "-h", "-o", "%r").splitlines() if "held" not in reason]


def strike(cluster: Cluster, recipe: RecipeRun, process: object, victim: str) -> None:
    """Does the harm, and starts a killed node or controller again."""
    if victim == "launcher":
        kill(family(process))
    elif victim == "job":
        kill([one for one in cluster.jobs() if str(recipe.run) in " ".join(command_of(one))])
    elif victim == "node":
        cluster.kill_node("n1")
        cluster.kill_node("n2")
        cluster.start_node("n1")
        cluster.start_node("n2")
    elif victim == "controller":
        cluster.kill_controller()
        time.sleep(2)
        cluster.start_controller()
    else:
        cluster.client("scancel", *cluster.client("squeue", "-h", "-o", "%A").split())


def kill(processes: list[psutil.Process]) -> None:
    """Sends SIGKILL to processes."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()


def command_of(process: psutil.Process) -> list[str]:
    """Returns the command of a process; [] if it has ended."""
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []


@functools.cache
def start_cluster() -> Cluster:
    """Starts the Slurm that all faults share; it stops with the program."""
    cluster = Cluster()
    atexit.register(cluster.stop)
    cluster.start()
    return cluster
