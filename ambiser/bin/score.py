"""Scores the predictions of experiments against the votes (stage 7)."""

from pathlib import Path

from ambiser.io.console import log, progress, run_main, set_up_logging
from ambiser.io.corpus_record import read_record
from ambiser.io.tables import read_tsv
from ambiser.recipe.experiments import claim_experiment, load_experiments
from ambiser.recipe.program_options import Parser
from ambiser.recipe.system_folds import load_scored
from ambiser.recipe.systems import System, all_systems, ensure_predictions, folds_to_use, require_models


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
        sources = [*predictions.values(), layout.table("votes.tsv"), layout.corpus_record()]
        expected = config_hash(config) if system.imported is None else import_hash(config, system.imported)
        if is_current(layout.results(tag), expected_hash=expected, folds=folds, sources=sources):
            log.info("%s: results.json is up to date", tag)
            continue
        results = score(system, predictions)
        write_results(layout.results(tag), results)
        print(render_lines(results, longest))


def score(system: System, predictions: dict[int, Path]) -> object:
    """Returns the `Results` of a system; `predictions` has a file per fold."""
    from ambiser.scoring.evaluation import describe_calibration, evaluate
    from ambiser.scoring.results import Results
    from ambiser.scoring.results_file import count_reasons

    config, layout = system.experiment.config, system.experiment.layout
    folds, views, fitted = {}, {}, {}
    for fold, path in predictions.items():
        folds[fold], views[fold], fitted[fold] = load_scored(system, fold, path)
    lost = read_tsv(layout.table("left_out.tsv"), ["utt", "reason"]) if layout.table("left_out.tsv").is_file() else []
    return Results(
        tag=system.tag,
        name=system.name,
        stamp=stamp_of(system, views),
        left_out={
            "by stage 1": count_reasons(row["reason"] for row in lost),
            "by the policies": count_reasons(reason for view in views.values() for reason in view.left_out.values()),
        },
        scores=evaluate(
            folds,
            bins=config.score.ece_bins,
            levels=config.score.levels,
            resamples=config.score.resamples,
            interval=config.score.interval,
        ),
        calibration=describe_calibration(config.score.calibration, fitted, bins=config.score.ece_bins),
    )


def stamp_of(system: System, views: dict[int, object]) -> object:
    """Returns the `Stamp` of a system; `views` are the labels of the test part of each fold."""
    from ambiser.report.learning_curves import kept_epochs, read_curves
    from ambiser.scoring.stamp import describe_test_set, import_hash, make_stamp, mark_imported

    config, layout = system.experiment.config, system.experiment.layout
    tested = ((fold, utt, row) for fold, v in views.items() for utt, row in zip(v.utts, v.counts, strict=True))
    stamp = make_stamp(
        config,
        seed=system.seed,
        corpus=read_record(layout.corpus_record()),
        class_names=next(iter(views.values())).classes,
        folds=views,
        test_set=describe_test_set(tested),
        kept=kept_epochs(read_curves(layout, system.tag, config.stages, views)),
    )
    return stamp if system.imported is None else mark_imported(stamp, import_hash(config, system.imported))


if __name__ == "__main__":
    run_main(main)
