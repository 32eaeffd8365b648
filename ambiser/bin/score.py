"""Scores the predictions of experiments against the votes (stage 7)."""

from ambiser.io.console import log, progress, run_main, set_up_logging
from ambiser.recipe.experiments import claim_experiment, load_experiments
from ambiser.recipe.program_options import Parser
from ambiser.recipe.score_system import score_system
from ambiser.recipe.systems import all_systems, ensure_predictions, folds_to_use, require_models


def main() -> None:
    """Runs the program."""
    parser = Parser(__doc__, "score")
    args = parser.parse_args()
    set_up_logging()
    systems = all_systems(args, load_experiments(args))
    from ambiser.report.terminal import render_lines
    from ambiser.scoring.results_file import is_current, write_results
    from ambiser.scoring.stamp import config_hash, import_hash

    longest = max(len(system.tag) for system in systems)
    folds = folds_to_use(systems[0].experiment, args.folds)
    for system in systems:
        require_models(system, folds)
    for system in systems:
        layout, tag, config = system.experiment.layout, system.tag, system.experiment.config
        if system.imported is None:
            claim_experiment(system.experiment)
        predictions = {fold: ensure_predictions(system, fold) for fold in progress(folds, f"predict {tag}")}
        choices = [layout.choice(tag, fold) for fold in folds]
        sources = [*predictions.values(), *choices, layout.table("votes.tsv"), layout.corpus_record()]
        expected = config_hash(config) if system.imported is None else import_hash(config, system.imported)
        if is_current(layout.results(tag), expected_hash=expected, folds=folds, sources=sources):
            log.info("%s: results.json is up to date", tag)
            continue
        results = score_system(system, predictions)
        write_results(layout.results(tag), results)
        print(render_lines(results, longest))


if __name__ == "__main__":
    run_main(main)
