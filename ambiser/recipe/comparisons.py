"""Loads systems that stage 7 has scored and compares them with the first one."""

from collections.abc import Sequence

from ambiser.errors import ConfigError
from ambiser.io.console import progress
from ambiser.io.layout import require
from ambiser.recipe.system_folds import load_scored
from ambiser.recipe.systems import System, ensure_predictions, folds_to_use


def compare_systems(
    systems: list[System], folds: Sequence[int], metrics: Sequence[str] = ()
) -> tuple[list[object], list[object]]:
    """Returns a `Contender` per system, the mean over its seeds, and the `Difference` of each to the first one.

    Args:
        systems: as on the command line.
        folds: to compare on; empty: all.
        metrics: the scores to compare; empty: the usual ones.

    Raises:
        ConfigError: a score is unknown, or there is one system alone.
    """
    from ambiser.scoring.comparison import COMPARED, compare
    from ambiser.scoring.score_names import METRICS

    for metric in metrics:
        if metric not in METRICS:
            raise ConfigError(f"--metrics {metric}: there is no such score; there are {' '.join(METRICS)}")
    names = list(dict.fromkeys(system.name for system in systems))
    if len(names) < 2:
        raise ConfigError(f"{names[0]} alone cannot be compared; name two or more experiments")
    folds = folds_to_use(systems[0].experiment, list(folds))
    contenders = [_contender(name, systems, folds) for name in progress(names, "load predictions")]
    score = systems[0].experiment.config.score
    rows = compare(contenders, bins=score.ece_bins, resamples=score.paired_resamples, metrics=list(metrics) or COMPARED)
    return contenders, rows


def _contender(name: str, systems: list[System], folds: list[int]) -> object:
    from ambiser.scoring.comparison import Contender
    from ambiser.scoring.results_file import read_results

    own = [system for system in systems if system.name == name]
    results = [read_results(require(own[0].experiment.layout.results(one.tag), "score")) for one in own]
    runs = {one.tag: {k: load_scored(one, k, ensure_predictions(one, k))[0] for k in folds} for one in own}
    config = {} if own[0].imported else own[0].experiment.config.model_dump(mode="json")
    return Contender(name, results, runs, config)
