"""Draws votes and predictions of three utterances: the first, middle and last in the order of vote entropy."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from ambiser.labels.entropy import entropy_bits
from ambiser.labels.expected_votes import expected_agreement
from ambiser.report.figure_style import new_figure
from ambiser.report.palette import COLORS
from ambiser.scoring.groups import Fold

MOST_SYSTEMS = 3
_SIZE = (7.8, 2.9)
_VOTES, *_SYSTEMS = COLORS[1], COLORS[0], COLORS[2], COLORS[3]


def choose_utterances(utts: Sequence[str], soft: np.ndarray) -> list[int]:
    """Returns the indices of the first, middle and last utterance, sorted by the entropy of the votes and by name.

    Args:
        utts: N names.
        soft: (N, C) shares of the votes.
    """
    entropies = entropy_bits(soft).round(9)
    order = sorted(range(len(utts)), key=lambda i: (entropies[i], utts[i]))
    return [order[0], order[len(order) // 2], order[-1]]


def draw_utterances(systems: Mapping[str, Sequence[Fold]], classes: Sequence[str]) -> Figure:
    """Draws bars for the votes and for each system, and the probability that two raters agree.

    Args:
        systems: test parts by the name of the system, of the same utterances in the same order; MOST_SYSTEMS are shown.
        classes: C names.
    """
    shown = dict(list(systems.items())[:MOST_SYSTEMS])
    folds = next(iter(shown.values()))
    utts, soft = np.concatenate([fold.utts for fold in folds]), np.concatenate([fold.soft for fold in folds])
    drawn = {"votes": soft} | {name: np.concatenate([fold.probs for fold in of]) for name, of in shown.items()}
    figure, axes = new_figure(_SIZE[1], 1, 3, sharey=True, sharex=True)
    figure.set_size_inches(*_SIZE)
    height = 0.8 / len(drawn)
    for axis, i in zip(axes, choose_utterances(list(utts), soft), strict=True):
        for place, ((name, rows), color) in enumerate(zip(drawn.items(), (_VOTES, *_SYSTEMS), strict=False)):
            at = np.arange(len(classes)) + (place - (len(drawn) - 1) / 2) * height
            axis.barh(at, rows[i], height, color=color, label=name, linewidth=0)
        agree = [f"{expected_agreement(rows[i : i + 1])[0]:.2f}" for rows in drawn.values()]
        axis.set_title(f"{utts[i]}\ntwo raters agree: {agree[0]}\npredicted: {', '.join(agree[1:])}")
        axis.set_xlabel("share of the votes, probability")
        axis.grid(visible=False, axis="y")
    axes[0].set_yticks(np.arange(len(classes)), classes)
    axes[0].invert_yaxis()
    axes[0].set_xlim(0, 1)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(drawn))
    return figure
