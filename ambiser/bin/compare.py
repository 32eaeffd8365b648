"""Compares two or more experiments with the first: differences, intervals, p-values, differing keys."""

import argparse
from pathlib import Path

from ambiser.io.console import progress, run_main, set_up_logging
from ambiser.io.files import write_text
from ambiser.io.layout import require
from ambiser.recipe.arguments import Parser, add_experiment
from ambiser.recipe.experiments import load_experiments
from ambiser.recipe.scored_systems import load_scored
from ambiser.recipe.systems import System, add_predictions, all_systems, folds_to_use, predictions_of

FORMS = ("text", "markdown", "latex", "csv")


def main() -> None:
    """Runs the program."""
    parser = Parser(__doc__)
    add_experiment(parser, several=True)
    add_predictions(parser)
    parser.add_argument("--metrics", nargs="+", metavar="NAME", help="scores to compare; none means the usual ones")
    parser.add_argument("--format", choices=FORMS, default="text", help="how it is written")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write to this file and not to the screen")
    args = parser.parse_args()
    set_up_logging()
    systems = all_systems(args, load_experiments(args))
    text = compare_systems(systems, args, args.format)
    if args.output is None:
        print(text, end="")
    else:
        write_text(args.output, text)


def compare_systems(systems: list[System], args: argparse.Namespace, form: str) -> str:
    """Returns the comparison of systems that stage 7 has scored, in one of FORMS."""
    from ambiser.errors import ConfigError
    from ambiser.report.comparison_tables import render_comparison
    from ambiser.scoring.comparison import COMPARED, Contender, compare
    from ambiser.scoring.metrics import METRICS
    from ambiser.scoring.results_file import read_results

    metrics = getattr(args, "metrics", None) or COMPARED
    for metric in metrics:
        if metric not in METRICS:
            raise ConfigError(f"--metrics {metric}: there is no such score; there are {' '.join(METRICS)}")
    folds = folds_to_use(systems[0].experiment, args.folds)
    names = list(dict.fromkeys(system.name for system in systems))
    if len(names) < 2:
        raise ConfigError(f"{names[0]} alone cannot be compared; name two or more experiments")
    contenders = []
    for name in progress(names, "load predictions"):
        own = [system for system in systems if system.name == name]
        results = [read_results(require(own[0].experiment.layout.results(one.tag), "score")) for one in own]
        runs = {one.tag: {k: load_scored(one, k, predictions_of(one, k))[0] for k in folds} for one in own}
        config = {} if own[0].imported else own[0].experiment.config.model_dump(mode="json")
        contenders.append(Contender(name, results, runs, config))
    score = systems[0].experiment.config.score
    rows = compare(contenders, bins=score.ece_bins, resamples=score.paired_resamples, metrics=metrics)
    return render_comparison(contenders, rows, form)


if __name__ == "__main__":
    run_main(main)
