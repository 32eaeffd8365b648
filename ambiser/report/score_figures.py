"""Draws the figures of scores: overview, confusion matrix, reliability, levels of ambiguity, entropies."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from ambiser.report.comparable import ResultTable, pooled
from ambiser.report.figure_style import COLORS, INK, new_figure
from ambiser.scoring.results import Results
from ambiser.scoring.score_names import METRICS

_BLUE, _ORANGE, _GREEN = COLORS[:3]
_OVERVIEW = ("accuracy", "ua", "bc", "jsd_bits")
_BY_LEVEL = ("accuracy", "bc", "jsd_bits")
_STRONG = 0.8  # share above which white text is easier to read


def draw_overview(table: ResultTable) -> Figure:
    """Draws the scores of each experiment with intervals, and the class prior as a dashed line."""
    figure, axes = new_figure(1.6 + 0.42 * len(table.rows), 2, 2, sharey=True)
    places = np.arange(len(table.rows))[::-1]
    for axis, metric in zip(axes.flat, _OVERVIEW, strict=True):
        for place, row in zip(places, table.rows, strict=True):
            cell = row.cell(metric, pooled)
            if cell.value is not None:
                _point(axis, cell.value, place, cell.interval)
        floor = table.floor(metric, "prior", pooled).value
        if floor is not None:
            axis.axvline(floor, color=_ORANGE, linestyle="--", linewidth=1.2)
        axis.set_title(_titled(metric))
        axis.set_yticks(places, [row.label for row in table.rows])
        axis.set_ylim(-0.6, len(table.rows) - 0.4)
        axis.grid(axis="y", visible=False)
    return figure


def draw_confusion(results: Results) -> Figure:
    """Draws the confusion matrix: counts, and shares per row as shades of blue."""
    counts = np.array(results.scores.confusion, dtype=float)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    figure, axis = new_figure(4.0)
    labels = [
        [f"{n:.0f}\n{100 * s:.0f} %" for n, s in zip(*rows, strict=True)] for rows in zip(counts, shares, strict=True)
    ]
    draw_matrix(axis, shares, labels, results.stamp.class_names)
    axis.set_xlabel("predicted")
    axis.set_ylabel("majority of the votes")
    return figure


def draw_matrix(axis: Axes, strength: np.ndarray, labels: Sequence[Sequence[str]], names: Sequence[str]) -> None:
    """Draws a labeled square matrix; the strength, -1 (orange) to 1 (blue), is an opacity, for light and dark pages."""
    size = len(names)
    for (i, j), value in np.ndenumerate(strength):
        color, opacity = _BLUE if value >= 0 else _ORANGE, float(min(abs(value), 1))
        axis.fill([j, j + 1, j + 1, j], [i, i, i + 1, i + 1], color=color, alpha=opacity, linewidth=0)
        ink = "white" if opacity > _STRONG else INK
        axis.text(j + 0.5, i + 0.5, labels[i][j], ha="center", va="center", color=ink, fontsize=8 if size <= 6 else 5.5)
    axis.set(xlim=(0, size), ylim=(size, 0), aspect="equal")
    axis.set_xticks(np.arange(size) + 0.5, names, rotation=0 if size <= 5 else 45)
    axis.set_yticks(np.arange(size) + 0.5, names)
    axis.tick_params(length=0)
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)


def draw_reliability(results: Results) -> Figure:
    """Draws accuracy against confidence per bin, and the number of utterances per bin."""
    table = results.scores.reliability
    count, confidence, right = (
        np.array(values, dtype=float) for values in (table.count, table.confidence, table.right)
    )
    figure, (above, below) = new_figure(4.0, 2, sharex=True, height_ratios=(3, 1))
    bins = len(count)
    left, filled = np.arange(bins) / bins, count > 0
    right = np.divide(right, count, where=filled, out=np.zeros(bins))
    confidence = np.divide(confidence, count, where=filled, out=np.zeros(bins))
    above.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=":", label="calibrated")
    above.bar(left[filled], right[filled], 1 / bins, align="edge", color=_BLUE, alpha=0.55, edgecolor=_BLUE)
    above.plot(
        confidence[filled], right[filled], "o", color=_ORANGE, markersize=4, label="mean confidence, share right"
    )
    above.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="share right")
    above.legend(loc="upper left")
    ece = results.scores.pooled.scores["ece"]
    above.set_title(f"ECE {'-' if ece is None else format(ece, '.3f')}")
    below.bar(left, count, 1 / bins, align="edge", color=_BLUE, alpha=0.55, edgecolor=_BLUE)
    below.set(xlabel="confidence (probability of the predicted class)", ylabel="utterances")
    return figure


def draw_levels(results: Results) -> Figure:
    """Draws scores by level of ambiguity with intervals, beside the class prior."""
    levels = results.scores.levels
    figure, axes = new_figure(4.0, len(_BY_LEVEL), sharex=True)
    for axis, metric in zip(axes, _BY_LEVEL, strict=True):
        for place, level in enumerate(levels):
            score, floor = level.score(metric), level.floors["prior"][metric]
            if score.value is not None:
                _point(axis, place - 0.08, score.value, score.interval, upright=True)
            if floor is not None:
                axis.plot(place + 0.08, floor, "D", color=_ORANGE, markersize=5, markerfacecolor="none")
        axis.set_title(_titled(metric))
        axis.set_xlim(-0.5, len(levels) - 0.5)
        axis.margins(y=0.15)  # whole marks at the ends
        axis.grid(axis="x", visible=False)
    names = [f"{level.name}\n{level.utterances:,} utt." for level in levels]
    axes[-1].set_xticks(range(len(levels)), names)
    axes[0].plot([], [], "o-", color=_BLUE, markersize=5, label="system, 95 % interval")
    axes[0].plot([], [], "D", color=_ORANGE, markersize=5, markerfacecolor="none", label="class prior")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def draw_entropies(results: Results) -> Figure:
    """Draws counts of utterances by voted and predicted entropy; the area of a disc is proportional to the count."""
    table = results.scores.entropy
    edges, counts = np.array(table.edges_bits), np.array(table.counts, dtype=float)
    centres = (edges[1:] + edges[:-1]) / 2
    figure, axis = new_figure(4.0)
    i, j = np.nonzero(counts)
    largest = max(counts.max(), 1)
    axis.plot(edges[[0, -1]], edges[[0, -1]], color=INK, linewidth=1, linestyle=":")
    axis.scatter(centres[i], centres[j], s=260 * counts[i, j] / largest, color=_BLUE, alpha=0.6, linewidth=0)
    axis.set(xlim=edges[[0, -1]], ylim=edges[[0, -1]], aspect="equal")
    axis.xaxis.set_major_locator(MultipleLocator(0.5))
    axis.yaxis.set_major_locator(MultipleLocator(0.5))
    axis.set(xlabel="entropy of the votes (bits)", ylabel="entropy of the prediction (bits)")
    rho = results.scores.pooled.scores["entropy_correlation"]
    axis.set_title(f"Spearman ρ {'-' if rho is None else format(rho, '.2f')}; largest disc {largest:.0f} utterances")
    return figure


def _titled(metric: str) -> str:
    return f"{METRICS[metric].title} {METRICS[metric].arrow}"


def _point(axis: Axes, x: float, y: float, interval: Sequence[float] | None, upright: bool = False) -> None:
    if interval is not None:
        ends = ([x, x], list(interval)) if upright else (list(interval), [y, y])
        axis.plot(*ends, color=_BLUE, linewidth=2, solid_capstyle="round")
    axis.plot(x, y, "o", color=_BLUE, markersize=5)
