"""Checks the configurations, then the machine and the corpus, and reports all faults at once (stage 0)."""

from ambiser.config.site import SLURM_CONFIG
from ambiser.errors import UserError
from ambiser.io.console import run_main
from ambiser.recipe.checks import (
    check_corpus,
    check_disk,
    check_slurm,
    check_weights,
    load_all_or_explain,
    show,
    show_machine,
)
from ambiser.recipe.experiments import Experiment
from ambiser.recipe.program_options import Parser


def main() -> None:
    """Runs the program."""
    args = Parser(__doc__, "check").parse_args()
    experiments = load_all_or_explain(args)
    for experiment in experiments:
        show("experiment", f"{experiment.tag}: {' '.join(experiment.config.stages)}")
    show_machine()
    faults: list[str] = []
    for name in ("data_dir", "dump_dir", "exp_dir"):
        check_disk(name, getattr(args, name), faults)
    for upstream in sorted({_upstream(experiment) for experiment in experiments}):
        check_weights(*upstream, faults)
    for corpus in sorted({experiment.config.data.corpus for experiment in experiments}):
        check_corpus(corpus, args.corpus_dir, faults)
    if args.launcher == "slurm":
        check_slurm(args.slurm_config or SLURM_CONFIG, faults)
    if faults:
        raise UserError("\n  ".join(["fix this first:", *faults]))


def _upstream(experiment: Experiment) -> tuple[str, str, str, str]:
    features = experiment.config.speech_features
    return experiment.config.ssl, features.upstream, features.checkpoint, experiment.config.model.encoder


if __name__ == "__main__":
    run_main(main)
