"""Scores the predictions of a system against the votes, and stamps the results with what they depend on."""

from pathlib import Path

from ambiser.config import Config
from ambiser.io.choice_file import chosen_points
from ambiser.io.corpus_record import read_record
from ambiser.io.tables import read_tsv
from ambiser.recipe.inputs import transcripts
from ambiser.recipe.system_folds import load_scored
from ambiser.recipe.systems import System


def score_system(system: System, predictions: dict[int, Path]) -> object:
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
        stamp=_stamp_of(system, views),
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
            sets_by=config.score.sets_by,
        ),
        calibration=describe_calibration(_calibration(config), fitted, bins=config.score.ece_bins),
    )


def _stamp_of(system: System, views: dict[int, object]) -> object:
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
        with_words=_share_with_words(system, [utt for view in views.values() for utt in view.utts]),
        chosen=chosen_points(layout, system.tag, views) if config.tune else None,
    )
    return stamp if system.imported is None else mark_imported(stamp, import_hash(config, system.imported))


def _share_with_words(system: System, utts: list[str]) -> float:
    """Returns the share of utterances that have words; 1 for a system that reads none."""
    config = system.experiment.config
    if system.imported is not None or not config.needs_text():
        return 1.0
    words = transcripts(system.experiment.layout, config.text_features)
    return sum(bool(words[utt].strip()) for utt in utts) / len(utts)


def _calibration(config: Config) -> str:
    """Returns the kind of calibration for tables, with the score that it minimizes."""
    return f"{config.score.calibration} by {config.score.calibration_by.upper()}"
