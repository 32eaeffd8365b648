"""Compares two or more experiments with the first: differences, intervals, p-values, differing keys."""

from pathlib import Path

from ambiser.io.console import run_main, set_up_logging
from ambiser.io.files import write_text
from ambiser.recipe.arguments import Parser, add_experiment
from ambiser.recipe.comparisons import compare_systems
from ambiser.recipe.experiments import load_experiments
from ambiser.recipe.systems import add_predictions, all_systems

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
    contenders, rows = compare_systems(systems, args, args.metrics or ())
    from ambiser.report.comparison_tables import render_comparison

    text = render_comparison(contenders, rows, args.format)
    if args.output is None:
        print(text, end="")
    else:
        write_text(args.output, text)


if __name__ == "__main__":
    run_main(main)
