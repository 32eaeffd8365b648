"""Writes the class probabilities of any part of a fold, also of one whose votes are withheld (MSP-Podcast's Test3).

For example, after stage 6: python -m ambiser.bin.predict --config conf/ce.yaml --fold 1 --part test3
"""

from ambiser.errors import ConfigError
from ambiser.io.console import run_main, set_up_logging
from ambiser.io.layout import require
from ambiser.recipe.arguments import Parser, add_experiment
from ambiser.recipe.experiments import load_experiment


def main() -> None:
    """Runs the program."""
    parser = Parser(__doc__)
    add_experiment(parser)
    parser.add_argument("--fold", type=int, required=True, help="number of the fold, 1..")
    parser.add_argument("--part", required=True, help="a list in data/foldK: train, dev, test, test2, test3, ...")
    args = parser.parse_args()
    set_up_logging()
    experiment = load_experiment(args)
    config, layout, tag = experiment.config, experiment.layout, experiment.tag
    require(layout.corpus_record(), "prepare")
    if not layout.fold_list(args.fold, args.part).is_file():
        there = sorted(path.name for path in layout.fold_list(args.fold, args.part).parent.glob("[!.]*"))
        raise ConfigError(f"--part {args.part}: fold {args.fold} has no such part; it has {', '.join(there) or 'none'}")
    from ambiser.train.prediction import predict_fold

    print(predict_fold(config, layout, tag, args.fold, args.part))


if __name__ == "__main__":
    run_main(main)
