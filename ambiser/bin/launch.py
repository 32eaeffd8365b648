"""Runs a stage as jobs: one per experiment, seed and fold, or per part of the features; skips finished ones."""

import argparse
import shlex

from ambiser.config.site import SLURM_CONFIG, load_slurm_config
from ambiser.io.console import run_main, set_up_logging
from ambiser.launch import local, slurm
from ambiser.launch.job import Job
from ambiser.launch.resources import device_slots
from ambiser.recipe import jobs
from ambiser.recipe.experiments import Experiment, load_experiments
from ambiser.recipe.job_memory import memory_of_a_job
from ambiser.recipe.program_options import Parser

SKIPPED = 3
"""Exit status if no experiment has the stage."""


def main() -> int:
    """Runs the program."""
    parser = Parser(__doc__, "launch")
    parser.add_argument("--stage", choices=jobs.LAUNCHED, required=True, help="the stage")
    args = parser.parse_args()
    set_up_logging()
    args.site = load_slurm_config(args.slurm_config or SLURM_CONFIG)
    experiments = [e for e in load_experiments(args) if jobs.has_stage(e, args.stage)]
    if not experiments:
        return SKIPPED
    for stage, todo in jobs.waves(args, experiments):
        if args.dry_run:
            print(_describe(args, stage, todo, experiments))
        elif todo and (status := _run(args, stage, todo, experiments)):
            return status
    return 0


def _run(args: argparse.Namespace, stage: str, todo: list[Job], experiments: list[Experiment]) -> int:
    if args.launcher == "slurm":
        before = [jobs.jobs_dir(args.exp_dir, earlier) for earlier in jobs.ORDER[: jobs.ORDER.index(stage)]]
        where = {"folder": jobs.jobs_dir(args.exp_dir, stage), "after": before, "wait": args.wait}
        request = getattr(args.site, jobs.kind(stage, experiments))
        return slurm.run_jobs(todo, slurm=args.site, request=request, description=stage, **where)
    use_gpus = any(e.config.train.device != "cpu" for e in experiments)
    own = max(e.config.train.processes if e.config.learns() else 0 for e in experiments)
    slots = device_slots(args.nj, use_gpus, own)
    memory_bytes = max(map(memory_of_a_job, experiments))
    modules = jobs.MODULES.get(stage, ())
    return local.run_jobs(todo, slots=slots, memory_bytes=memory_bytes, description=stage, modules=modules)


def _describe(args: argparse.Namespace, stage: str, todo: list[Job], experiments: list[Experiment]) -> str:
    if args.launcher == "slurm" and todo:
        request, folder = getattr(args.site, jobs.kind(stage, experiments)), jobs.jobs_dir(args.exp_dir, stage)
        return slurm.describe_submission(todo, folder=folder, slurm=args.site, request=request)
    return "\n".join(shlex.join(job.argv) for job in todo)


if __name__ == "__main__":
    run_main(main)
