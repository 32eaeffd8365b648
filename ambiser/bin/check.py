"""Stage 0: looks at the machine, the configurations and the corpus, and says all that is wrong at once."""

import os
import platform
from pathlib import Path

from ambiser.config.site import SLURM_CONFIG
from ambiser.errors import UserError
from ambiser.io.console import run_main
from ambiser.io.provenance import git_state, versions
from ambiser.launch import LAUNCHERS
from ambiser.launch.resources import available_memory_bytes, free_gpus
from ambiser.recipe.arguments import Parser, add_experiment
from ambiser.recipe.checks import GIB, check_configs, check_corpus, check_disk, check_slurm, check_weights, show
from ambiser.recipe.experiments import Experiment


def main() -> None:
    """Runs the program."""
    parser = Parser(__doc__)
    add_experiment(parser, several=True)
    parser.add_argument("--corpus_dir", type=Path, help="the corpus as it was released")
    parser.add_argument("--launcher", choices=LAUNCHERS, default="local", help="where the jobs will run")
    parser.add_argument("--slurm_config", type=Path, default=SLURM_CONFIG, help="what jobs ask Slurm for")
    args = parser.parse_args()
    faults: list[str] = []
    show("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    show("packages", ", ".join(f"{name} {version}" for name, version in versions().items() if name != "python"))
    show("git", git_state())
    show("cores", f"{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()}")
    show("memory", f"{available_memory_bytes() / GIB:.1f} GiB available")
    show("GPU", ", ".join(f"{free / GIB:.1f} GiB free" for _, free in free_gpus()) or "none; the CPU is used")
    for name in ("data_dir", "dump_dir", "exp_dir"):
        check_disk(name, getattr(args, name), faults)
    experiments = check_configs(args, faults)
    for experiment in experiments:
        show("experiment", f"{experiment.tag}: {' '.join(experiment.config.stages)}")
    for upstream in sorted({_upstream(experiment) for experiment in experiments}):
        check_weights(*upstream, faults)
    for corpus in sorted({experiment.config.data.corpus for experiment in experiments}):
        check_corpus(corpus, args.corpus_dir, faults)
    if args.launcher == "slurm":
        check_slurm(args.slurm_config, faults)
    if faults:
        raise UserError("\n  ".join(["this must be mended first:", *faults]))


def _upstream(experiment: Experiment) -> tuple[str, str, str, str]:
    features = experiment.config.speech_features
    return experiment.config.ssl, features.upstream, features.checkpoint, experiment.config.model.encoder


if __name__ == "__main__":
    run_main(main)
