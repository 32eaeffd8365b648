"""Draws the simulation of asking for votes: error against the number of votes, by gain and in random order."""

import numpy as np
from matplotlib.figure import Figure

from ambiser.labels.next_rater import Curve
from ambiser.report.figure_style import COLORS, DASHES, new_figure


def draw_asking(by_gain: Curve, drawn: np.ndarray) -> Figure:
    """Draws the squared error of the estimated distributions.

    Args:
        by_gain: (K,) votes and errors.
        drawn: (R, K) errors of random orders.
    """
    figure, axis = new_figure(2.8)
    axis.fill_between(by_gain.votes, drawn.min(axis=0), drawn.max(axis=0), color=COLORS[1], alpha=0.25, linewidth=0)
    axis.plot(by_gain.votes, drawn.mean(axis=0), color=COLORS[1], linestyle=DASHES[1], label="random order, with range")
    axis.plot(by_gain.votes, by_gain.error, color=COLORS[0], linestyle=DASHES[0], label="highest expected gain first")
    axis.set(xlabel="votes", ylabel="squared error of the distribution", ylim=(0, None))
    axis.legend()
    return figure
