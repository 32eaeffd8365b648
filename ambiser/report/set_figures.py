"""Shows prediction sets on the results page: a table, and a figure of coverage and size by level of ambiguity."""

from matplotlib.figure import Figure

from ambiser.report.figure_style import COLORS, DASHES, INK, new_figure
from ambiser.scoring.conformal import CALIBRATIONS
from ambiser.scoring.set_results import PredictionSets, SetGroup

NAMES = {"votes": "calibrated on votes", "majority": "calibrated on majorities"}
_ENDS = 3


def set_block(sets: PredictionSets) -> dict[str, object]:
    """Returns the table of coverage and size: all utterances, levels, and the speakers with the lowest coverage."""
    by_calibration = {by: sets.by[by] for by in CALIBRATIONS}  # results.json sorts them by name
    header = [("Utterances", "number")]
    for by in by_calibration:
        header += [(name, NAMES[by]) for name in ("votes covered", "majority covered", "classes")]
    worst = sorted(sets.by[sets.used].speakers, key=lambda one: (one.coverage, one.name))[:_ENDS]
    named = {by: {one.name: one for one in values.speakers} for by, values in by_calibration.items()}
    groups = [tuple(values.pooled for values in by_calibration.values())]
    groups += list(zip(*(values.levels for values in by_calibration.values()), strict=True))
    groups += [tuple(named[by][one.name] for by in by_calibration) for one in worst]
    labels = ["all", *(level.name for level in sets.by[sets.used].levels), *(f"speaker {one.name}" for one in worst)]
    rows = [
        (f"{label} ({pair[0].utterances:,})", [cell for one in pair for cell in _cells(one)])
        for label, pair in zip(labels, groups, strict=True)
    ]
    return {"header": header, "rows": rows, "floors": []}


def set_line(sets: PredictionSets) -> str:
    """Returns how the sets were made, in a sentence."""
    form = sets.form.upper() + (", one threshold per class" if sets.per_class else "")
    return (
        f"{form}, calibrated on dev to cover {100 * sets.coverage:g} % of the labels. Dev also chose epochs and "
        "temperature, and test speakers are not in dev, so coverage is measured here, not guaranteed. "
        f"Predictions use the sets {NAMES[sets.used]}."
    )


def draw_sets(sets: PredictionSets) -> Figure:
    """Draws the coverage of votes and the size of sets by level of ambiguity, for both calibrations."""
    figure, (above, below) = new_figure(4.0, 2, sharex=True)
    for number, by in enumerate(CALIBRATIONS):
        values = sets.by[by]
        groups = [values.pooled, *values.levels]
        places = [place + 0.12 * (number - 0.5) for place in range(len(groups))]
        for axis, key in ((above, "coverage"), (below, "size")):
            for x, group in zip(places, groups, strict=True):
                interval = getattr(group, f"{key}_interval")
                if interval is not None:
                    axis.plot([x, x], interval, color=COLORS[number], linewidth=2, linestyle=DASHES[number])
                if getattr(group, key) is not None:
                    axis.plot(x, getattr(group, key), "os"[number], color=COLORS[number], markersize=5)
        above.plot([], [], "os"[number], color=COLORS[number], linestyle=DASHES[number], label=NAMES[by])
    above.axhline(sets.coverage, color=INK, linewidth=1, linestyle=":")
    above.set(ylabel="share of votes covered")
    below.set(ylabel="classes per set")
    names = ["all", *(level.name for level in sets.by[sets.used].levels)]
    counts = [one.utterances for one in (sets.by[sets.used].pooled, *sets.by[sets.used].levels)]
    below.set_xticks(range(len(names)), [f"{name}\n{count:,} utt." for name, count in zip(names, counts, strict=True)])
    for axis in (above, below):
        axis.margins(y=0.15)
        axis.grid(axis="x", visible=False)
    figure.legend(*above.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _cells(group: SetGroup) -> list[list[str]]:
    cells = []
    for key, digits in (("coverage", 3), ("majority_coverage", 3), ("size", 2)):
        value, interval = getattr(group, key), getattr(group, f"{key}_interval")
        lines = ["-" if value is None else f"{value:.{digits}f}"]
        if interval is not None:
            lines.append(f"{interval[0]:.{digits}f}\N{EN DASH}{interval[1]:.{digits}f}")
        cells.append(lines)
    return cells
