"""Puts the results of experiments into a table, a page and figures (stage 8)."""

from pathlib import Path

from ambiser.bin.compare import compare_systems
from ambiser.io.console import log, progress, run_main, set_up_logging
from ambiser.io.files import write_text
from ambiser.io.layout import require
from ambiser.recipe.arguments import Parser, add_experiment
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
        "--publish", type=Path, nargs="?", const=Path("."), metavar="DIR", help="also copy the results to DIR/results"
    )
    args = parser.parse_args()
    set_up_logging()
    systems = all_systems(args, load_experiments(args))
    layout = systems[0].experiment.layout
    paths = [require(layout.results(system.tag), "score") for system in systems]
    from ambiser.report.comparable import tables
    from ambiser.report.learning_curves import read_curves
    from ambiser.report.markdown import render_markdown, render_terminal
    from ambiser.report.publish import publish
    from ambiser.report.results_page import drawn, render_report
    from ambiser.scoring.results import read_results

    results = [read_results(path) for path in paths]
    folds_of = {one["tag"]: one["stamp"]["all_folds"] for one in drawn(results)}
    curves = {tag: read_curves(layout, tag, TRAINING_STAGES, folds) for tag, folds in folds_of.items()}
    print(render_terminal(results), end="")
    write_text(layout.exp_dir / "RESULTS.md", render_markdown(results))
    if len({system.name for system in systems}) > 1 and len(tables(results)) == 1:
        write_text(layout.exp_dir / "COMPARE.md", compare_systems(systems, args, "markdown"))
    else:  # one of an earlier stage 8 would speak of other experiments
        (layout.exp_dir / "COMPARE.md").unlink(missing_ok=True)
    folds = results[0]["stamp"]["folds"]
    shown = [system for system in systems if system.tag in folds_of]
    details, listing, words = look_into(shown, folds) if len(tables(results)) == 1 else ({}, None, {})
    page = render_report(
        results,
        curves,
        layout.exp_dir / "figures",
        each=lambda items: progress(items, "draw figures"),
        details=details,
        listing=listing,
        words=words,
    )
    write_text(layout.exp_dir / "report.html", page)
    log.info("wrote %s", layout.exp_dir / "report.html")
    if args.publish is not None:
        log.info("published in %s", publish(args.publish, results))


def look_into(systems: list[System], folds: list[int]) -> tuple[dict[str, list], dict, dict[str, str]]:
    """Returns what the figures of representation need, by tag, the list of utterances, and the transcripts."""
    from ambiser.report.utterance_list import list_utterances

    scored = {s.tag: {k: load_scored(s, k, predictions_of(s, k)) for k in folds} for s in systems}
    loaded = {tag: {k: fold for k, (fold, _, _) in of.items()} for tag, of in scored.items()}
    details = {s.tag: [load_detail(s, k, loaded[s.tag][k]) for k in folds] for s in systems}
    words, audio = load_words_and_audio(systems[0].experiment.layout)
    classes, levels = scored[systems[0].tag][folds[0]][1].classes, systems[0].experiment.config.score.levels
    listing = list_utterances(loaded, classes=classes, levels=levels, words=words, audio=audio)
    return details, listing, words


if __name__ == "__main__":
    run_main(main)
