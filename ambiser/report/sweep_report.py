"""Shows a sweep: Markdown table, figure, and the block of the results page."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ambiser.report.comparable import MADE_UP
from ambiser.report.figure_style import COLORS, DASHES, INK, WIDTH, Picture, new_figure, take_picture
from ambiser.report.text_table import markdown_table
from ambiser.scoring.score_names import METRICS
from ambiser.scoring.sweep_rows import SweepRow, read_sweep

_PANELS = 2  # of a ladder, side by side
_PANEL, _LETTER, _MARGIN = 2.0, 0.07, 0.3  # inches: a panel with its title and ticks, a letter of a label, the rest
_DODGE = 0.012  # of the axis, between the marks of two pairs at one value
_LONGEST_BESIDE = 34  # characters of a pair, where two of them fit into a line of the legend


def render_sweep(rows: Sequence[SweepRow], notes: Sequence[str] = ()) -> str:
    """Returns the Markdown table of a sweep, with what a reader must know."""
    made_up = [f"**{MADE_UP}**\n"] if _made_up(rows) else []
    parts = [f"# {title_of(rows)}\n", *made_up, f"{reading_of(rows)}\n", markdown_table(*table_of(rows), left=(0, 1))]
    return "\n".join([*parts, *([""] if notes else []), *(f"* {note}" for note in notes)]).rstrip() + "\n"


def title_of(rows: Sequence[SweepRow]) -> str:
    """Returns the heading."""
    return f"Differences over {rows[0].key}" if rows[0].key else "Differences between experiments"


def reading_of(rows: Sequence[SweepRow]) -> str:
    """Returns how the numbers were computed."""
    seeds, speakers = ({getattr(row, name) for row in rows} for name in ("seeds", "speakers"))
    return (
        f"Corpus {rows[0].corpus}. Difference: the other experiment minus the base, mean over seeds ({_span(seeds)}), "
        f"with its 95 % interval from a paired bootstrap over speakers ({_span(speakers)}). p: of that bootstrap, "
        "two-sided; p (Holm): corrected for all rows of the table. Arrows show which way is better."
    )


def table_of(rows: Sequence[SweepRow]) -> tuple[list[str], list[list[str]]]:
    """Returns header and rows."""
    key = [rows[0].key] if rows[0].key else []
    pair = "other \N{MINUS SIGN} base"
    header = ["score", pair, *key, "base", "other", "difference", "95 % interval", "p", "p (Holm)"]
    return header, [_cells(row) for row in rows]


def _cells(row: SweepRow) -> list[str]:
    ends = "-" if row.low is None else f"[{row.low:+.3f}, {row.high:+.3f}]"
    value = [f"{row.value:g}"] if row.key else []
    scores = [_number(row.base_score, ".3f"), _number(row.other_score, ".3f"), _number(row.difference, "+.3f")]
    chances = [_number(row.p, ".4f"), _number(row.p_holm, ".4f")]
    return [_titled(row.score), _pair(row), *value, *scores, ends, *chances]


def take_sweep_picture(rows: Sequence[SweepRow], *, name: str, folder: Path, formats: Collection[str] = ()) -> Picture:
    """Draws the figure, writes folder/NAME.svg and the other formats, and returns its SVG."""
    what = f"over {rows[0].key}" if rows[0].key else "of experiments from their base"
    caption = f"Differences {what}, mean over seeds, with 95 % intervals from a paired bootstrap over speakers."
    caption += " The corpus is synthetic." if _made_up(rows) else ""
    draw = draw_sweep if rows[0].key else draw_ladder
    return take_picture(lambda: draw(rows), name=name, caption=caption, folder=folder, formats=formats)


def draw_sweep(rows: Sequence[SweepRow]) -> Figure:
    """Draws a panel per score: differences over the values of the key, a line per pair of experiments."""
    scores, pairs = _unique(row.score for row in rows), _unique(_pair(row) for row in rows)
    values = sorted({row.value for row in rows})
    figure, axes = new_figure(0.8 + 1.35 * len(scores), len(scores), sharex=True, squeeze=False)
    step = _DODGE * (values[-1] - values[0])
    for axis, score in zip(axes[:, 0], scores, strict=True):
        for number, pair in enumerate(pairs):
            own = [row for row in rows if row.score == score and _pair(row) == pair and row.difference is not None]
            color, places = COLORS[number % len(COLORS)], step * (number - (len(pairs) - 1) / 2)
            x = np.array([row.value for row in own]) + places
            style = {"color": color, "linestyle": DASHES[number % len(DASHES)], "marker": "o", "markersize": 4}
            axis.plot(x, [row.difference for row in own], label=pair, **style)
            for at, row in zip(x, own, strict=True):
                if row.low is not None:
                    axis.plot([at, at], [row.low, row.high], color=color, linewidth=1.2, solid_capstyle="round")
        axis.axhline(0, color=INK, linewidth=1, linestyle=":")
        axis.set_title(_titled(score))
    axes[-1, 0].set_xlabel(rows[0].key)
    axes[-1, 0].set_xticks(values, [f"{value:g}" for value in values])
    columns = min(len(pairs), 2) if max(map(len, pairs)) <= _LONGEST_BESIDE else 1
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=columns)
    return figure


def draw_ladder(rows: Sequence[SweepRow]) -> Figure:
    """Draws a panel per score: a bar per pair of experiments, with its interval."""
    scores, pairs = _unique(row.score for row in rows), _unique(_pair(row) for row in rows)
    bases = {row.base for row in rows}
    labels = [pair.partition(" \N{MINUS SIGN} ")[0] for pair in pairs] if len(bases) == 1 else pairs
    lines, columns = -(-len(scores) // _PANELS), min(len(scores), _PANELS)
    width = max(WIDTH, _LETTER * max(map(len, labels)) + columns * _PANEL + _MARGIN)
    height = 0.6 + lines * (0.5 + 0.24 * len(pairs))
    figure, axes = new_figure(height, lines, columns, width=width, sharey=True, squeeze=False)
    for axis, score in zip(axes.flat, scores, strict=False):
        for row in (row for row in rows if row.score == score and row.difference is not None):
            _bar(axis, pairs.index(_pair(row)), row)
        axis.axvline(0, color=INK, linewidth=1, linestyle=":")
        axis.set_title(_titled(score))
        axis.xaxis.set_major_locator(MaxNLocator(nbins=3, steps=[1, 2, 2.5, 5, 10]))  # more ticks would overlap
        axis.set_yticks(range(len(pairs)), labels)
        axis.set_ylim(len(pairs) - 0.4, -0.6)
        axis.grid(axis="y", visible=False)
    for axis in axes.flat[len(scores) :]:
        axis.set_visible(False)
    figure.supxlabel(f"difference from {bases.pop()}" if len(bases) == 1 else "difference", fontsize="medium")
    return figure


def _bar(axis: Axes, place: int, row: SweepRow) -> None:
    axis.barh(place, row.difference, 0.6, color=COLORS[0], alpha=0.55, linewidth=0)
    if row.low is not None:
        axis.plot([row.low, row.high], [place, place], color=COLORS[1], linewidth=1.6, solid_capstyle="round")


def sweep_blocks(folder: Path, figure_dir: Path, formats: Collection[str] = ()) -> list[dict[str, object]]:
    """Returns heading, reading, figure and table of every sweep in a folder, for the results page."""
    blocks = []
    for path in sorted(folder.glob("*.tsv")):
        rows = read_sweep(path)
        header, cells = table_of(rows)
        blocks.append(
            {
                "heading": f"{title_of(rows)} ({path.stem})",
                "reading": reading_of(rows),
                "picture": take_sweep_picture(rows, name=f"sweep_{path.stem}", folder=figure_dir, formats=formats),
                "header": header,
                "rows": cells,
            }
        )
    return blocks


def _made_up(rows: Sequence[SweepRow]) -> bool:
    return any(row.corpus.endswith("(made up)") for row in rows)


def _pair(row: SweepRow) -> str:
    return f"{row.other} \N{MINUS SIGN} {row.base}"


def _titled(score: str) -> str:
    return f"{METRICS[score].title} {METRICS[score].arrow}"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _span(numbers: set[int]) -> str:
    return str(min(numbers)) if len(numbers) == 1 else f"{min(numbers)} to {max(numbers)}"


def _unique(words: object) -> list[str]:
    return list(dict.fromkeys(words))
