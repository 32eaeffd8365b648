"""Writes the class probabilities of any part of a fold, also of parts with withheld votes (MSP-Podcast's Test3).

For example, after stage 6: python -m ambiser.bin.predict_part --config ce --folds 1 --part test3
"""

from ambiser.errors import ConfigError
from ambiser.io.console import run_main, set_up_logging
from ambiser.io.layout import require
from ambiser.recipe.experiments import load_experiment_and_fold
from ambiser.recipe.points import choose
from ambiser.recipe.program_options import Parser


def main() -> None:
    """Runs the program."""
    parser = Parser(__doc__, "predict_part")
    parser.add_argument("--part", required=True, help="a list in data/foldK: train, dev, test, test2, test3, ...")
    args = parser.parse_args()
    set_up_logging()
    experiment, fold = load_experiment_and_fold(args)
    layout, tag = experiment.layout, experiment.tag
    require(layout.corpus_record(), "prepare")
    if not layout.fold_list(fold, args.part).is_file():
        there = sorted(path.name for path in layout.fold_list(fold, args.part).parent.glob("[!.]*"))
        raise ConfigError(f"--part {args.part}: fold {fold} has no such part; it has {', '.join(there) or 'none'}")
    from ambiser.train.prediction import predict_fold

    print(predict_fold(choose(experiment, fold).config, layout, tag, fold, args.part))


if __name__ == "__main__":
    run_main(main)
