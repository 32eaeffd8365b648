"""What stages 7 and 8 and the comparison read of a system: its folds with the votes beside them."""

import functools
from pathlib import Path

from ambiser.io.layout import Layout, require
from ambiser.io.tables import read_list, read_table
from ambiser.recipe.systems import System, predictions_of

_KEEP = 64  # folds and parts; experiments share them


def load_scored(system: System, fold: int, test: Path) -> tuple[object, object, object]:
    """Returns a fold as it is scored, the labels of its test part, and what calibrated it (or None)."""
    from dataclasses import replace

    from ambiser.scoring.calibration import fit_calibration
    from ambiser.scoring.prediction_table import read_predictions
    from ambiser.scoring.scored_fold import load_fold

    experiment = system.experiment
    labels, kind = experiment.config.labels, experiment.config.score.calibration
    views = {part: _view(experiment.layout, labels, fold, part) for part in ("train", "dev", "test")}
    speakers, genders = _speakers(experiment.layout)
    others = frozenset() if system.imported is None else speakers.keys()
    loaded = load_fold(
        test,
        test=views["test"],
        train=views["train"],
        speakers=speakers,
        genders=genders,
        human=_human(experiment.layout, labels, fold),
        others=others,
    )
    if kind == "none" or system.imported is not None:
        return loaded, views["test"], None
    dev = views["dev"]
    probs = read_predictions(predictions_of(system, fold, "dev"), list(dev.classes), dev.utts)
    fitted = fit_calibration(kind, probs, dev.soft)
    return replace(loaded, probs=fitted.apply(loaded.probs)), views["test"], (fitted, loaded)


@functools.lru_cache(1)
def _votes(layout: Layout) -> object:
    from ambiser.labels.vote_table import read_votes

    return read_votes(require(layout.table("votes.tsv"), "prepare"))


@functools.lru_cache(1)
def _speakers(layout: Layout) -> tuple[dict[str, str], dict[str, str] | None]:
    path = layout.table("spk2gender")
    return read_table(require(layout.table("utt2spk"), "prepare")), read_table(path) if path.is_file() else None


def _view(layout: Layout, labels: object, fold: int, part: str) -> object:
    return _view_of(layout, labels.model_dump_json(), fold, part)


def _human(layout: Layout, labels: object, fold: int) -> object:
    return _human_of(layout, labels.model_dump_json(), fold)


@functools.lru_cache(_KEEP)
def _view_of(layout: Layout, labels: str, fold: int, part: str) -> object:
    from ambiser.config.data_keys import LabelPolicy
    from ambiser.labels.label_view import view_labels

    utts = read_list(require(layout.fold_list(fold, part), "prepare"))
    return view_labels(_votes(layout), LabelPolicy.model_validate_json(labels), utts)


@functools.lru_cache(_KEEP)
def _human_of(layout: Layout, labels: str, fold: int) -> object:
    from ambiser.config.data_keys import LabelPolicy
    from ambiser.labels.label_view import view_labels
    from ambiser.scoring.human import leave_one_out_answers

    policies = LabelPolicy.model_validate_json(labels).model_copy(update={"aggregate": "votes"})
    utts = _view_of(layout, labels, fold, "test").utts
    return leave_one_out_answers(_votes(layout), lambda table: view_labels(table, policies), utts)
