"""What the four training programs share: one stage of one experiment on one fold."""

from ambiser.bin.arguments import Parser, add_experiment
from ambiser.bin.experiments import claim_experiment, load_experiment
from ambiser.errors import ConfigError
from ambiser.io.console import set_up_logging


def run_one(stage: str, description: str | None) -> None:
    """Parses the command line and trains the stage.

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
    claim_experiment(experiment)
    set_up_logging()
    from ambiser.train.stages import train_stage

    train_stage(stage, config, layout, tag=tag, seed=experiment.seed, fold=args.fold)
