"""Loads systems that stage 7 has scored and compares them with the first one."""

from collections.abc import Sequence

from ambiser.errors import ConfigError
from ambiser.io.console import progress
from ambiser.io.layout import require
from ambiser.recipe.system_folds import load_scored
from ambiser.recipe.systems import System, ensure_predictions, folds_to_use


def compare_systems(
    systems: list[System],
    folds: Sequence[int],
    *,
    metrics: Sequence[str] = (),
    by: str = "",
    families: Sequence[Sequence[str]] = (),
) -> object:
    """Returns the `Comparison` of each system, the mean over its seeds, with the first one.

    Args:
        systems: as on the command line.
        folds: to compare on; empty: all.
        metrics: the scores to compare; empty: the usual ones and those of the families.
        by: class, level, kind, gender or confidence; empty: all utterances.
        families: scores whose p-values are corrected together; the other scores are one more family.

    Raises:
        ConfigError: a score is unknown, in two families or in a family and not compared, or there is only one system.
    """
    from ambiser.scoring.comparison import compare

    metrics = check_scores(metrics, by, families)
    names = list(dict.fromkeys(system.name for system in systems))
    if len(names) < 2:
        raise ConfigError(f"{names[0]} alone cannot be compared; name two or more experiments")
    folds = folds_to_use(systems[0].experiment, list(folds))
    contenders = [
        load_contender(name, [one for one in systems if one.name == name], folds)
        for name in progress(names, "load predictions")
    ]
    score = systems[0].experiment.config.score
    return compare(
        contenders, bins=score.ece_bins, resamples=score.paired_resamples, metrics=metrics, by=by, families=families
    )


def check_scores(metrics: Sequence[str], by: str, families: Sequence[Sequence[str]]) -> list[str]:
    """Returns the scores to compare.

    Raises:
        ConfigError: as `compare_systems`.
    """
    from ambiser.scoring.compared_groups import metrics_of, usual_scores

    known, where = metrics_of(by), f" with --by {by}" if by else ""
    in_families = [metric for family in families for metric in family]
    for option, names in (("metrics", metrics), ("family", in_families)):
        for metric in names:
            if metric not in known:
                raise ConfigError(f"--{option} {metric}: there is no such score{where}; there are {' '.join(known)}")
            if list(names).count(metric) > 1:
                raise ConfigError(f"--{option} {metric}: is given twice")
            if metrics and metric not in metrics:
                raise ConfigError(f"--family {metric}: is not compared; add it to --metrics")
    return list(metrics) or list(dict.fromkeys([*usual_scores(by), *in_families]))


def load_contender(name: str, own: Sequence[System], folds: Sequence[int]) -> object:
    """Returns the `Contender` of the seeds of one experiment, with their predictions.

    Raises:
        ConfigError: the seeds have different configurations.
        DataError: stage 7 has not scored one of them.
    """
    from ambiser.scoring.comparison import Contender
    from ambiser.scoring.results_file import read_results

    results = [read_results(require(one.experiment.layout.results(one.tag), "score")) for one in own]
    if len({one.stamp.config_hash for one in results}) > 1:
        raise ConfigError(
            f"{' and '.join(one.tag for one in results)} have different configurations; compare one alone"
        )
    runs = [{k: load_scored(one, k, ensure_predictions(one, k))[0] for k in folds} for one in own]
    return Contender(name, results, runs, None if own[0].imported else own[0].experiment.config)
