"""Draws figures of training: learning curves, prototype similarities and agreement of the pseudo labels.

Bold lines are means over folds, thin ones are the folds; upright lines part the stages.
Source: the last two show what figures 2 and 3 of the IPR paper show.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ambiser.report.figure_style import COLORS, DASHES, INK, new_figure
from ambiser.report.learning_curves import StageCurves, Value, best_epoch, fold_lines, has, last_matrix, mean_line
from ambiser.report.score_figures import draw_matrix

_DEV = {"dev_accuracy": "accuracy", "dev_ua": "UA", "dev_jsd": "JSD (nats)"}
_AGREEMENT = {
    "agreement_classifier": "classifier",
    "agreement_prototypes": "nearest prototype",
    "agreement_aligned": "aligned label",
    "agreement_both": "both, where they agree",
}
_MOST_LABELS = 10
_NARROW = 0.2  # on a smaller share of the axis, names of neighboring stages would overlap


def draw_learning(stages: Sequence[StageCurves]) -> Figure:
    """Draws the training loss and the dev scores; a dot marks the kept epoch of each fold."""
    figure, (above, below) = new_figure(4.0, 2, sharex=True)
    _curve(above, stages, _number("train_loss"), 0, "training loss", folds=True)
    above.set_ylabel("training loss")
    for i, (key, label) in enumerate(_DEV.items()):
        if has(stages, key):
            _curve(below, stages, _number(key), i, label, folds=True)
            _kept(below, stages, key, i)
    below.set_ylabel("on dev")
    _finish(below, stages)
    _part(above, stages)
    return figure


def draw_cosines(stages: Sequence[StageCurves], classes: Sequence[str]) -> Figure:
    """Draws the cosine between the prototypes of each pair of classes during training."""
    figure, axis = new_figure(4.0)
    pairs = list(combinations(range(len(classes)), 2))
    for number, (i, j) in enumerate(pairs):
        _curve(axis, stages, _element(i, j), number, f"{classes[i]}, {classes[j]}", folds=len(pairs) <= _MOST_LABELS)
    axis.set_ylabel("cosine of two prototypes")
    _finish(axis, stages, columns=2, legend=len(pairs) <= _MOST_LABELS)
    return figure


def draw_cosine_matrix(stages: Sequence[StageCurves], classes: Sequence[str]) -> Figure:
    """Draws the cosines between the kept prototypes, mean over folds; blue is similar, orange opposite."""
    matrix = last_matrix(stages, "prototype_cosine")
    figure, axis = new_figure(4.0)
    labels = [[f"{value:.2f}".replace("-", "\N{MINUS SIGN}") for value in row] for row in matrix]
    draw_matrix(axis, matrix, labels, classes)
    return figure


def draw_agreement(stages: Sequence[StageCurves]) -> Figure:
    """Draws the share of ambiguous utterances whose pseudo label is their withheld majority."""
    figure, axis = new_figure(4.0)
    for i, (key, label) in enumerate(_AGREEMENT.items()):
        _curve(axis, stages, _number(key), i, label, folds=True)
    axis.set_ylabel("agreement with the withheld majority")
    _finish(axis, [stage for stage in stages if has([stage], "agreement_classifier")], columns=2)
    return figure


def _number(key: str) -> Value:
    return lambda epoch: epoch.get(key)


def _element(i: int, j: int) -> Value:
    return lambda epoch: None if epoch.get("prototype_cosine") is None else epoch["prototype_cosine"][i][j]


def _curve(axis: Axes, stages: Sequence[StageCurves], value: Value, number: int, label: str, folds: bool) -> None:
    color, dashes = COLORS[number % len(COLORS)], DASHES[number // len(COLORS) % len(DASHES)]
    for stage in stages:
        mean = mean_line(stage, value)
        if not np.isfinite(mean.values).any():
            continue
        for line in fold_lines(stage, value) if folds else ():
            axis.plot(line.epochs, line.values, color=color, linestyle=dashes, linewidth=0.6, alpha=0.35)
        mark = "o" if len(mean.values) == 1 else None
        axis.plot(mean.epochs, mean.values, color=color, linestyle=dashes, marker=mark, markersize=3, label=label)
        label = "_same as before"


def _kept(axis: Axes, stages: Sequence[StageCurves], key: str, number: int) -> None:
    for stage in stages:
        for lines in stage.folds.values():
            best = best_epoch(lines)
            if best.get(key) is not None:
                axis.plot(stage.start + lines.index(best) + 1, best[key], ".", color=COLORS[number], markersize=4)


def _part(axis: Axes, stages: Sequence[StageCurves]) -> None:
    for stage in stages[1:]:
        axis.axvline(stage.start + 0.5, color=INK, linewidth=0.8, alpha=0.5)
    if len(stages) > 1:
        crowded = min(stage.epochs for stage in stages) < _NARROW * sum(stage.epochs for stage in stages)
        for number, stage in enumerate(stages):
            middle = stage.start + stage.epochs / 2 + 0.5
            offset = (0, 13 if crowded and number % 2 else 3)  # points
            place = {"xycoords": axis.get_xaxis_transform(), "textcoords": "offset points"}
            axis.annotate(stage.name, (middle, 1), offset, **place, fontsize=7.5, ha="center", va="bottom")


def _finish(axis: Axes, stages: Sequence[StageCurves], columns: int = 3, legend: bool = True) -> None:
    shared = len(axis.figure.axes) > 1
    for stage in stages[1:] if shared else ():
        axis.axvline(stage.start + 0.5, color=INK, linewidth=0.8, alpha=0.5)
    if not shared:
        _part(axis, stages)
    axis.set_xlabel("epoch")
    axis.xaxis.get_major_locator().set_params(integer=True)
    if legend:
        axis.figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=columns)
