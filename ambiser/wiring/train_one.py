"""What the four training programs share: one stage of one experiment on one fold, by one process or several."""

import os
import sys

from ambiser.errors import ConfigError
from ambiser.io.console import set_up_logging
from ambiser.launch.ranks import find_place, run_ranks
from ambiser.wiring.arguments import Parser, add_experiment
from ambiser.wiring.experiments import claim_experiment, load_experiment


def run_one(stage: str, description: str | None) -> int:
    """Parses the command line and trains the stage; returns the exit status.

    With `train.processes`, and unless torchrun or srun started this process as one of several, it starts them.

    Raises:
        ConfigError: the experiment does not have the stage, or its folder belongs to another configuration.
    """
    parser = Parser(description)
    add_experiment(parser)
    parser.add_argument("--fold", type=int, required=True, help="number of the fold, 1..")
    args = parser.parse_args()
    experiment = load_experiment(args)
    config, layout, tag = experiment.config, experiment.layout, experiment.tag
    if stage not in config.stages:
        raise ConfigError(f"{args.config}: has no stage '{stage}'; it has {' '.join(config.stages)}")
    place = find_place(os.environ)
    if place.rank == 0:
        claim_experiment(experiment)
    set_up_logging()
    if config.train.processes > place.size == 1:
        program = sys.modules["__main__"].__spec__.name
        return run_ranks([sys.executable, "-m", program, *sys.argv[1:]], config.train.processes)
    from ambiser.train.fold import pick_device
    from ambiser.train.processes import joined
    from ambiser.train.stages import train_stage

    with joined(place, pick_device(config.train.device)):
        train_stage(stage, config, layout, tag=tag, seed=experiment.seed, fold=args.fold)
    return 0
