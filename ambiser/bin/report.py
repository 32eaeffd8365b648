"""Puts the results of experiments into a table, a page and figures (stage 8)."""

from pathlib import Path

from ambiser.io.console import log, progress, run_main, set_up_logging
from ambiser.io.files import write_text
from ambiser.io.layout import require
from ambiser.recipe.comparisons import compare_systems
from ambiser.recipe.experiments import load_experiments
from ambiser.recipe.program_options import Parser
from ambiser.recipe.report_inputs import load_details
from ambiser.recipe.systems import all_systems


def main() -> None:
    """Runs the program."""
    parser = Parser(__doc__, "report")
    args = parser.parse_args()
    set_up_logging()
    systems = all_systems(args, load_experiments(args))
    layout = systems[0].experiment.layout
    paths = [require(layout.results(system.tag), "score") for system in systems]
    from ambiser.report.comparable import make_tables
    from ambiser.report.comparison_tables import render_comparison
    from ambiser.report.markdown import render_markdown
    from ambiser.report.publish import publish
    from ambiser.report.quoted_scores import quoted_in
    from ambiser.report.results_page import render_report
    from ambiser.report.terminal import render_terminal
    from ambiser.scoring.results_file import read_results

    results = [read_results(path) for path in paths]
    quoted = quoted_in(systems[0].experiment.config_path.parent.parent)  # config_path is egs/X/conf/NAME.yaml
    print(render_terminal(results), end="")
    differences = []
    if len({system.name for system in systems}) > 1 and len(make_tables(results)) == 1:
        comparison = compare_systems(systems, args.folds)
        differences = comparison.differences
        write_text(layout.exp_dir / "COMPARE.md", render_comparison(comparison, "markdown"))
    else:  # a file of an earlier stage 8 would compare other experiments
        (layout.exp_dir / "COMPARE.md").unlink(missing_ok=True)
    write_text(layout.exp_dir / "RESULTS.md", render_markdown(results, differences, quoted))
    details, listing = load_details(systems, results)
    page = render_report(
        results,
        layout.exp_dir / "figures",
        details=details,
        listing=listing,
        quoted=quoted,
        each=lambda items: progress(items, "draw figures"),
    )
    write_text(layout.exp_dir / "report.html", page)
    log.info("wrote %s", layout.exp_dir / "report.html")
    if args.publish:
        log.info("published in %s", publish(Path("."), results, differences))


if __name__ == "__main__":
    run_main(main)
