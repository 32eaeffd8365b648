"""Compares two or more experiments with the first: differences, intervals, p-values, differing keys."""

from pathlib import Path

from ambiser.io.console import run_main, set_up_logging
from ambiser.io.files import write_text
from ambiser.recipe.comparisons import compare_systems
from ambiser.recipe.experiments import load_experiments
from ambiser.recipe.program_options import Parser
from ambiser.recipe.result_folders import systems_of_folders
from ambiser.recipe.systems import all_systems

DIVISIONS = ("class", "level", "kind", "gender", "confidence")
FORMS = ("text", "markdown", "latex", "csv")


def main() -> None:
    """Runs the program."""
    parser = Parser(__doc__, "compare", needs_config=False)
    parser.add_argument(
        "--results", nargs="+", type=Path, default=[], metavar="DIR",
        help="experiments by their folders, with any tag, features and settings, as in --results exp/ce-*-s1; they "
        "follow those of --config",
    )  # fmt: skip
    parser.add_argument(
        "--metrics",
        nargs="+",
        default=[],
        metavar="NAME",
        help="scores to compare (default: those of COMPARE.md)",
    )
    parser.add_argument(
        "--by", choices=DIVISIONS, default="",
        help="compare each class, level, kind, gender or confidence alone; confidence: quarters of the utterances by "
        "the highest probability that the first experiment predicts",
    )  # fmt: skip
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
    if not args.config and (args.predictions or args.ensemble or not args.results):
        parser.error("--config or --results is needed; --predictions and --ensemble need --config")
    systems = all_systems(args, load_experiments(args)) if args.config else []
    systems += systems_of_folders(args.results, args, {system.tag for system in systems})
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
