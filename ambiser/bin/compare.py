"""Compares two or more experiments with the first: differences, intervals, p-values, differing keys."""

from pathlib import Path

from ambiser.io.console import run_main, set_up_logging
from ambiser.io.files import write_text
from ambiser.recipe.comparisons import compare_systems
from ambiser.recipe.experiments import load_experiments
from ambiser.recipe.program_options import Parser
from ambiser.recipe.systems import all_systems

DIVISIONS = ("class", "level", "kind", "gender")
FORMS = ("text", "markdown", "latex", "csv")


def main() -> None:
    """Runs the program."""
    parser = Parser(__doc__, "compare")
    parser.add_argument(
        "--metrics", nargs="+", default=[], metavar="NAME", help="scores to compare (default: the usual ones)"
    )
    parser.add_argument("--by", choices=DIVISIONS, default="", help="compare each class, level, kind or gender alone")
    parser.add_argument(
        "--family", action="append", default=[], metavar="NAMES",
        help="scores whose p-values are corrected together, as in --family 'accuracy ua'; may be repeated; the other "
        "scores are one more family",
    )  # fmt: skip
    parser.add_argument("--format", choices=FORMS, default="text", help="format of the output")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write to this file instead of the screen")
    parser.add_argument(
        "--quoted", type=Path, metavar="FILE", help="also show the scores of papers in this table, without tests"
    )
    args = parser.parse_args()
    set_up_logging()
    systems = all_systems(args, load_experiments(args))
    from ambiser.report.comparison_tables import render_comparison
    from ambiser.report.quoted_scores import read_quoted

    quoted = [] if args.quoted is None else read_quoted(args.quoted)  # before the resampling, which takes long
    families = [family.replace(",", " ").split() for family in args.family]
    comparison = compare_systems(systems, args.folds, metrics=args.metrics, by=args.by, families=families)
    text = render_comparison(comparison, args.format, quoted)
    if args.output is None:
        print(text, end="")
    else:
        write_text(args.output, text)


if __name__ == "__main__":
    run_main(main)
