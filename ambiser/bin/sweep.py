"""Compares pairs of experiments over the values of a key, as a table and a figure; without a key, as a ladder of bars.

The report page (stage 8) shows every table in EXP_DIR/sweeps. For example, how much each oracle gains, and how the gain
of ipr over ce_precise depends on the share of precise data:

  python -m ambiser.bin.sweep --pairs ipr/oracle_votes ipr/oracle_majority --results exp/*-s[123]
  python -m ambiser.bin.sweep --pairs ce_precise/ipr --key ipr.precise_kept --results exp/*-precise0.*
"""

import argparse
from pathlib import Path

from ambiser.io.console import log, run_main, set_up_logging
from ambiser.io.files import write_text
from ambiser.recipe.comparisons import check_scores
from ambiser.recipe.options import FIGURE_FORMATS
from ambiser.recipe.program_options import Parser
from ambiser.recipe.sweeps import compare_groups, group_systems, load_systems, notes_on_settings, read_pairs

SCORES = ("accuracy", "ua", "bc", "jsd_bits")


def main() -> None:
    """Runs the program."""
    parser = Parser(__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--pairs", nargs="+", required=True, metavar="BASE/OTHER",
        help="experiments to compare: their YAML's name, or their name with features and tag",
    )  # fmt: skip
    parser.add_argument("--key", default="", help="key whose values order the pairs, as in data.mini_conflict")
    parser.add_argument(
        "--results", nargs="+", type=Path, required=True, metavar="DIR", help="folders of experiments, as in exp/*-s1"
    )
    parser.add_argument(
        "--data_dirs", nargs="+", type=Path, default=[Path("data")], metavar="DIR",
        help="tables and folds: one folder, or one per folder of experiments in --results (default: data)",
    )  # fmt: skip
    parser.add_argument(
        "--metrics", nargs="+", default=list(SCORES), metavar="NAME", help=f"scores (default: {' '.join(SCORES)})"
    )
    parser.add_argument(
        "--output", type=Path, metavar="NAME",
        help="write NAME.tsv, .md, .svg, .png, .pdf (default: sweeps/KEY or sweeps/ladder beside the first experiment)",
    )  # fmt: skip
    args = parser.parse_args()
    set_up_logging()
    metrics, pairs = check_scores(args.metrics, "", ()), read_pairs(args.pairs)
    systems = load_systems(args.results, args.data_dirs)
    groups = group_systems(systems, pairs, args.key)
    rows = compare_groups(groups, pairs, args.key, metrics)
    from ambiser.report.sweep_report import render_sweep, take_sweep_picture
    from ambiser.scoring.sweep_rows import read_sweep, write_sweep

    output = args.output or systems[0].experiment.layout.exp_dir / "sweeps" / (args.key or "ladder")
    table = output.with_name(f"{output.name}.tsv")
    write_sweep(table, rows)
    rows = read_sweep(table)  # sorted and corrected
    write_text(output.with_name(f"{output.name}.md"), render_sweep(rows, notes_on_settings(groups, args.key)))
    take_sweep_picture(rows, name=output.name, folder=output.parent, formats=FIGURE_FORMATS)
    log.info("wrote %s, .md, .svg, .png and .pdf", table)


if __name__ == "__main__":
    run_main(main)
