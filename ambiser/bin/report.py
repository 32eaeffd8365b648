"""Puts the results of experiments into a table, a page and figures (stage 8)."""

from pathlib import Path

from ambiser.io.console import log, progress, run_main, set_up_logging
from ambiser.io.files import write_text
from ambiser.io.layout import require
from ambiser.recipe.arguments import Parser, add_experiment
from ambiser.recipe.comparisons import compare_systems
from ambiser.recipe.detail_files import load_detail, load_words_and_audio
from ambiser.recipe.experiments import load_experiments
from ambiser.recipe.scored_systems import load_scored
from ambiser.recipe.systems import System, add_predictions, all_systems, predictions_of
from ambiser.stages import TRAINING_STAGES


def main() -> None:
    """Runs the program."""
    parser = Parser(__doc__)
    add_experiment(parser, several=True)
    add_predictions(parser)
    parser.add_argument(
        "--publish", type=Path, nargs="?", const=Path("."), metavar="DIR", help="also put the results into DIR/results"
    )
    args = parser.parse_args()
    set_up_logging()
    systems = all_systems(args, load_experiments(args))
    layout = systems[0].experiment.layout
    paths = [require(layout.results(system.tag), "score") for system in systems]
    from ambiser.report.comparable import make_tables
    from ambiser.report.comparison_tables import render_comparison
    from ambiser.report.markdown import render_markdown
    from ambiser.report.publish import publish
    from ambiser.report.results_page import render_report
    from ambiser.report.terminal import render_terminal
    from ambiser.scoring.results_file import read_results

    results = [read_results(path) for path in paths]
    print(render_terminal(results), end="")
    differences = []
    if len({system.name for system in systems}) > 1 and len(make_tables(results)) == 1:
        contenders, differences = compare_systems(systems, args)
        write_text(layout.exp_dir / "COMPARE.md", render_comparison(contenders, differences, "markdown"))
    else:  # a file of an earlier stage 8 would compare other experiments
        (layout.exp_dir / "COMPARE.md").unlink(missing_ok=True)
    write_text(layout.exp_dir / "RESULTS.md", render_markdown(results, differences))
    details, listing = load_details(systems, results)
    page = render_report(
        results,
        layout.exp_dir / "figures",
        details=details,
        listing=listing,
        each=lambda items: progress(items, "draw figures"),
    )
    write_text(layout.exp_dir / "report.html", page)
    log.info("wrote %s", layout.exp_dir / "report.html")
    if args.publish is not None:
        log.info("published in %s", publish(args.publish, results, differences))


def load_details(systems: list[System], results: list) -> tuple[dict, dict | None]:
    """Loads what the sections of the page show beside scores, by tag, and the list of utterances.

    Results that cannot be compared have learning curves only, since their utterances or labels differ.

    Args:
        systems: as on the command line.
        results: theirs, in the same order.
    """
    from ambiser.report.comparable import make_tables
    from ambiser.report.experiment_section import ExperimentDetails
    from ambiser.report.learning_curves import read_curves
    from ambiser.report.results_page import first_seeds
    from ambiser.report.utterance_list import list_utterances

    layout, folds_of = systems[0].experiment.layout, {one.tag: one.stamp.all_folds for one in first_seeds(results)}
    curves = {tag: read_curves(layout, tag, TRAINING_STAGES, folds) for tag, folds in folds_of.items()}
    if len(make_tables(results)) > 1:
        return {tag: ExperimentDetails(stages) for tag, stages in curves.items()}, None
    folds, shown = results[0].stamp.folds, [system for system in systems if system.tag in folds_of]
    scored = {s.tag: {k: load_scored(s, k, predictions_of(s, k)) for k in folds} for s in shown}
    loaded = {tag: {k: fold for k, (fold, _, _) in of.items()} for tag, of in scored.items()}
    words, audio = load_words_and_audio(layout)
    details = {
        s.tag: ExperimentDetails(curves[s.tag], [load_detail(s, k, loaded[s.tag][k]) for k in folds], words)
        for s in shown
    }
    classes, levels = results[0].stamp.class_names, systems[0].experiment.config.score.levels
    return details, list_utterances(loaded, classes=classes, levels=levels, words=words, audio=audio)


if __name__ == "__main__":
    run_main(main)
