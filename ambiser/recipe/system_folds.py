"""Loads the folds of a system: predictions with the votes, speakers and calibration that scoring needs."""

import functools
from dataclasses import dataclass, replace
from pathlib import Path

from ambiser.config.data_keys import LabelPolicy
from ambiser.config.score_keys import Score
from ambiser.io.layout import Layout, require
from ambiser.io.tables import read_list, read_table
from ambiser.recipe.systems import System, ensure_predictions

_KEEP = 64  # label views in memory: experiments with equal policies share those of each fold and part
_KEEP_LOADED = 512  # folds of systems in memory


@dataclass(frozen=True)
class _PolicyKey:
    """A label policy as a cache key: its classes are a dict, so that it has no hash of its own."""

    policy: LabelPolicy

    def __hash__(self) -> int:
        return hash(tuple(self.policy.classes))


def reads_dev(system: System) -> bool:
    """Whether scoring calibrates probabilities or prediction sets on the predictions for the dev part."""
    score = system.experiment.config.score
    return system.imported is None and (score.calibration, score.sets) != ("none", "none")


def load_scored(system: System, fold: int, test: Path) -> tuple[object, object, object]:
    """Loads one fold of a system.

    Args:
        system: an experiment, an ensemble or imported predictions.
        fold: its number.
        test: the predictions for the test part.

    Returns:
        The fold with calibrated probabilities and prediction sets, the label view of its test part, and the calibration
        with the fold before it (None without calibration).
    """
    dev = ensure_predictions(system, fold, "dev") if reads_dev(system) else None
    states = [path.stat() for path in (test, dev) if path is not None]
    return _load(system, fold, test, dev, tuple((state.st_mtime_ns, state.st_size) for state in states))


@functools.lru_cache(_KEEP_LOADED)
def _load(
    system: System, fold: int, test: Path, dev_path: Path | None, states: tuple[tuple[int, int], ...]
) -> tuple[object, object, object]:
    """Loads one fold: comparison, figures and list of utterances need it. `states` tells changed files."""
    from ambiser.scoring.ground_distance import ground_distance
    from ambiser.scoring.scored_fold import load_fold

    experiment = system.experiment
    policy, score = _PolicyKey(experiment.config.labels), experiment.config.score
    views = {part: _view(experiment.layout, policy, fold, part) for part in ("train", "dev", "test")}
    speakers, genders = _speakers(experiment.layout)
    others = frozenset() if system.imported is None else speakers.keys()
    loaded = load_fold(
        test,
        test=views["test"],
        train=views["train"],
        speakers=speakers,
        genders=genders,
        human=_human(experiment.layout, policy, fold),
        ground=ground_distance(score.positions, views["test"].classes),
        others=others,
    )
    if dev_path is None:
        return loaded, views["test"], None
    scored, fitted = _calibrate(score, loaded, views["dev"], dev_path)
    return scored, views["test"], None if fitted is None else (fitted, loaded)


def _calibrate(score: Score, loaded: object, dev: object, dev_path: Path) -> tuple[object, object]:
    """Returns the fold with what was calibrated on dev, probabilities and prediction sets, and the calibration."""
    from ambiser.scoring.calibration import fit_calibration
    from ambiser.scoring.prediction_table import read_predictions
    from ambiser.scoring.set_scores import fold_sets, set_rule

    fitted, probs = None, read_predictions(dev_path, list(dev.classes), dev.utts)
    if score.calibration != "none":
        fitted = fit_calibration(score.calibration, probs, dev.soft, score.calibration_by)
        loaded, probs = replace(loaded, probs=fitted.apply(loaded.probs)), fitted.apply(probs)
    if score.sets != "none":
        sets = fold_sets(set_rule(score), loaded.probs, dev=probs, dev_soft=dev.soft, dev_hard=dev.hard)
        loaded = replace(loaded, sets=sets)
    return loaded, fitted


@functools.lru_cache(1)
def _votes(layout: Layout) -> object:
    from ambiser.labels.vote_table import read_votes

    return read_votes(require(layout.table("votes.tsv"), "prepare"))


@functools.lru_cache(1)
def _speakers(layout: Layout) -> tuple[dict[str, str], dict[str, str] | None]:
    path = layout.table("spk2gender")
    return read_table(require(layout.table("utt2spk"), "prepare")), read_table(path) if path.is_file() else None


@functools.lru_cache(_KEEP)
def _view(layout: Layout, policy: _PolicyKey, fold: int, part: str) -> object:
    from ambiser.labels.label_view import view_labels

    return view_labels(_votes(layout), policy.policy, read_list(require(layout.fold_list(fold, part), "prepare")))


@functools.lru_cache(_KEEP)
def _human(layout: Layout, policy: _PolicyKey, fold: int) -> object:
    from ambiser.labels.label_view import view_labels
    from ambiser.scoring.human import leave_one_out_answers

    votes_only = policy.policy.model_copy(update={"aggregate": "votes"})
    utts = _view(layout, policy, fold, "test").utts
    return leave_one_out_answers(_votes(layout), lambda table: view_labels(table, votes_only), utts)
