"""Tuned experiments: the points of a grid as experiments of their own, and the point that dev chooses per fold."""

import difflib
from collections.abc import Iterable
from dataclasses import replace

from ambiser.config.grid import points
from ambiser.errors import ConfigError, DataError
from ambiser.io.choice_file import Choice, PointScore, read_choice, write_choice
from ambiser.io.layout import point_tag, require
from ambiser.io.tables import read_list
from ambiser.recipe.experiments import Experiment
from ambiser.stages import find_stage

_NEEDS_MAJORITY = ("ua", "accuracy")


def expand(experiments: Iterable[Experiment]) -> list[Experiment]:
    """Returns the points of each experiment with a grid, and the other experiments as they are.

    A point is an ordinary experiment in exp/TAG/points/POINT: it trains to the bytes of an experiment whose YAML holds
    its values.
    """
    return [one for experiment in experiments for one in _points_of(experiment) or [experiment]]


def pick_point(experiment: Experiment, name: str) -> Experiment:
    """Returns the point of this name, or the experiment itself without a grid and a name.

    Raises:
        ConfigError: there is no such point, or no name for an experiment with a grid.
    """
    known = {point.point: point for point in _points_of(experiment)}
    if name in known:
        return known[name]
    if not known and not name:
        return experiment
    near = difflib.get_close_matches(name, known, n=1, cutoff=0) or ["none"]
    raise ConfigError(f"--point {name or '(missing)'}: {experiment.tag} has no such point; the nearest is {near[0]}")


def choose(experiment: Experiment, fold: int) -> Experiment:
    """Chooses the point with the best dev score of the last training stage, and writes it to choice.json.

    Ties go to the first point of the grid. Only the checkpoints are read, never a part of the data. Where points were
    removed after the choice, it stays.

    Returns:
        The chosen point; the experiment itself without a grid.

    Raises:
        DataError: a point is not trained, and there is no choice yet.
    """
    candidates = _points_of(experiment)
    if not candidates:
        return experiment
    layout, stage = experiment.layout, experiment.config.stages[-1]
    path, paths = layout.choice(experiment.tag, fold), [layout.best(one.tag, fold, stage) for one in candidates]
    if path.is_file() and not all(best.is_file() for best in paths):
        return pick_point(experiment, read_choice(path).chosen)
    from ambiser.train.checkpoint import load_facts
    from ambiser.train.loop import LOWER_IS_BETTER

    select = getattr(experiment.config, stage).select
    facts = [load_facts(require(best, stage)) for best in paths]
    for best, of in zip(paths, facts, strict=True):
        if of.get("select") != select:
            number = find_stage(stage).number
            raise DataError(f"{best}: has no dev {select}; remove it and run stage {number} again")
    scores = [of["dev"] for of in facts]
    first = scores.index(min(scores) if select in LOWER_IS_BETTER else max(scores))
    named = [PointScore(one.point, of["dev"], of["epoch"]) for one, of in zip(candidates, facts, strict=True)]
    write_choice(path, Choice(candidates[first].point, stage, select, named))
    return candidates[first]


def check_dev_majorities(experiments: Iterable[Experiment], folds: Iterable[int]) -> None:
    """Checks, before a grid is trained, that dev has majority labels wherever a dev score needs them.

    Raises:
        DataError: the dev part of a fold has no majority label, and accuracy or UA selects epochs and points.
    """
    from ambiser.labels.label_view import view_labels
    from ambiser.labels.vote_table import read_votes

    for experiment in experiments:
        config, layout = experiment.config, experiment.layout
        by = {stage: getattr(config, stage).select for stage in config.stages}
        stages = [stage for stage, select in by.items() if select in _NEEDS_MAJORITY]
        if not config.tune or not stages:
            continue
        votes = read_votes(require(layout.table("votes.tsv"), "prepare"))
        for fold in folds:
            dev = view_labels(votes, config.labels, read_list(require(layout.fold_list(fold, "dev"), "prepare")))
            if not (dev.hard >= 0).any():
                raise DataError(
                    f"{experiment.tag}, fold {fold}: no dev utterance has a majority label, so dev {by[stages[0]]} has "
                    f"no value; set {stages[0]}.select=jsd"
                )


def _points_of(experiment: Experiment) -> list[Experiment]:
    return [
        replace(experiment, config=point.config, tag=point_tag(experiment.tag, point.name), point=point.name)
        for point in (points(experiment.config) if experiment.config.tune else ())
    ]
