"""Puts the results of experiments into a table, a page and figures (stage 8)."""

from collections.abc import Sequence
from pathlib import Path

from ambiser.io.console import log, progress, run_main, set_up_logging
from ambiser.io.files import write_text
from ambiser.io.layout import require
from ambiser.recipe.comparisons import compare_systems
from ambiser.recipe.experiments import load_experiments
from ambiser.recipe.program_options import Parser
from ambiser.recipe.report_inputs import load_details
from ambiser.recipe.result_folders import other_results
from ambiser.recipe.systems import System, all_systems


def main() -> None:
    """Runs the program."""
    parser = Parser(__doc__, "report")
    args = parser.parse_args()
    set_up_logging()
    systems = all_systems(args, load_experiments(args))
    layout = systems[0].experiment.layout
    paths = [require(layout.results(system.tag), "score") for system in systems]
    from ambiser.report.markdown import render_markdown
    from ambiser.report.publish import publish
    from ambiser.report.quoted_scores import quoted_in
    from ambiser.report.results_page import render_report
    from ambiser.report.sweep_report import sweep_blocks
    from ambiser.report.terminal import render_terminal
    from ambiser.scoring.results_file import read_results

    named, tags = [read_results(path) for path in paths], {system.tag for system in systems}
    others, left_out = ([], []) if args.only else other_results(layout.exp_dir, tags)
    for line in left_out:
        log.warning("%s", line)
    quoted = quoted_in(systems[0].experiment.config_path.parent.parent)  # config_path is egs/X/conf/NAME.yaml
    print(render_terminal(named), end="")
    differences = _compare(systems, named, args.folds)
    results = [*named, *others]
    write_text(layout.exp_dir / "RESULTS.md", render_markdown(results, differences, quoted, tags))
    details, listing = load_details(systems, results)
    page = render_report(
        results,
        layout.exp_dir / "figures",
        formats=args.figures,
        details=details,
        listing=listing,
        quoted=quoted,
        sweeps=sweep_blocks(layout.exp_dir / "sweeps", layout.exp_dir / "figures", args.figures),
        first=tags,
        each=lambda items, total: progress(items, "draw figures", total),
    )
    write_text(layout.exp_dir / "report.html", page)
    log.info("wrote %s (results: %d, not in this call: %d)", layout.exp_dir / "report.html", len(results), len(others))
    if args.publish:
        log.info("published in %s", publish(Path("."), named, differences))


def _compare(systems: list[System], results: list, folds: list[int]) -> Sequence[object]:
    """Writes COMPARE.md and returns the differences between the systems of the command line.

    With one system, or systems that cannot be compared, an earlier COMPARE.md stays.
    """
    from ambiser.report.comparable import make_tables
    from ambiser.report.comparison_tables import render_comparison

    path = systems[0].experiment.layout.exp_dir / "COMPARE.md"
    if len({system.name for system in systems}) < 2 or len(make_tables(results)) > 1:
        if path.is_file():
            log.info("%s: compares the experiments of an earlier call", path)
        return []
    comparison = compare_systems(systems, folds)
    write_text(path, render_comparison(comparison, "markdown"))
    return comparison.differences


if __name__ == "__main__":
    run_main(main)
