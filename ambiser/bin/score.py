"""Scores the predictions of experiments against the votes (stage 7)."""

from pathlib import Path

from ambiser.io.console import log, progress, run_main, set_up_logging
from ambiser.io.forks import map_in_forks
from ambiser.recipe.experiments import claim_experiment, load_experiments
from ambiser.recipe.program_options import Parser
from ambiser.recipe.score_system import score_system
from ambiser.recipe.system_folds import reads_dev
from ambiser.recipe.systems import System, all_systems, ensure_predictions, folds_to_use, require_models


def main() -> None:
    """Runs the program."""
    parser = Parser(__doc__, "score")
    args = parser.parse_args()
    set_up_logging()
    systems = all_systems(args, load_experiments(args))
    from ambiser.report.terminal import render_lines
    from ambiser.scoring.results_file import write_results

    longest = max(len(system.tag) for system in systems)
    folds = folds_to_use(systems[0].experiment, args.folds)
    for system in systems:
        require_models(system, folds)
    # All predictions first: forks must not use PyTorch after their parent has.
    predicted = [(system, _predict(system, folds)) for system in systems]
    todo = [(system, files) for system, files in predicted if not _is_scored(system, files)]
    for (system, _), results in zip(todo, map_in_forks(lambda one: score_system(*one), todo), strict=True):
        write_results(system.experiment.layout.results(system.tag), results)
        print(render_lines(results, longest))


def _predict(system: System, folds: list[int]) -> dict[int, Path]:
    """Returns the predictions of each fold for the test part; predicts what scoring needs and what is missing."""
    if system.imported is None:
        claim_experiment(system.experiment)
    predictions = {fold: ensure_predictions(system, fold) for fold in progress(folds, f"predict {system.tag}")}
    for fold in folds if reads_dev(system) else ():
        ensure_predictions(system, fold, "dev")
    return predictions


def _is_scored(system: System, predictions: dict[int, Path]) -> bool:
    """Whether results.json is up to date, and logs if it is."""
    from ambiser.scoring.results_file import is_current
    from ambiser.scoring.stamp import config_hash, import_hash

    layout, tag, config = system.experiment.layout, system.tag, system.experiment.config
    choices = [layout.choice(tag, fold) for fold in predictions]
    sources = [*predictions.values(), *choices, layout.table("votes.tsv"), layout.corpus_record()]
    expected = config_hash(config) if system.imported is None else import_hash(config, system.imported)
    current = is_current(layout.results(tag), expected_hash=expected, folds=list(predictions), sources=sources)
    if current:
        log.info("%s: results.json is up to date", tag)
    return current


if __name__ == "__main__":
    run_main(main)
