"""Trains one stage (3 to 6) of an experiment on one fold, by one process or several."""

import os
import sys

from ambiser.errors import ConfigError
from ambiser.io.console import run_main, set_up_logging
from ambiser.launch.ranks import find_place, run_ranks
from ambiser.recipe.experiments import claim_experiment, load_experiment_and_fold
from ambiser.recipe.points import pick_point
from ambiser.recipe.program_options import Parser
from ambiser.stages import TRAINING_STAGES


def main() -> int:
    """Runs the program.

    Starts `train.processes` processes, unless torchrun or srun started this process as one of several.
    """
    parser = Parser(__doc__, "train")
    parser.add_argument("--stage", choices=TRAINING_STAGES, required=True, help="the stage to train")
    parser.add_argument("--point", default="", help="the point to train, of an experiment with a grid")
    args = parser.parse_args()
    tuned, fold = load_experiment_and_fold(args)
    experiment = pick_point(tuned, args.point)
    config, layout, tag = experiment.config, experiment.layout, experiment.tag
    if args.stage not in config.stages:
        raise ConfigError(f"{experiment.config_path}: has no stage '{args.stage}'; it has {' '.join(config.stages)}")
    place = find_place(os.environ)
    if place.rank == 0:
        claim_experiment(tuned)
        claim_experiment(experiment)
    set_up_logging()
    if config.train.processes > place.size == 1:
        program = sys.modules["__main__"].__spec__.name
        return run_ranks([sys.executable, "-m", program, *sys.argv[1:]], config.train.processes)
    from ambiser.train.device import pick_device
    from ambiser.train.processes import joined
    from ambiser.train.run_stage import train_stage

    with joined(place, pick_device(config.train.device)):
        train_stage(args.stage, config, layout, tag=tag, seed=experiment.seed, fold=fold)
    return 0


if __name__ == "__main__":
    run_main(main)
