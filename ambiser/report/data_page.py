"""Renders the data report of stage 1 as one self-contained HTML page with figures."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ambiser.io.corpus_record import CorpusRecord
from ambiser.report import page_template
from ambiser.report.data_statistics import CountTable, DataStatistics
from ambiser.report.data_summary import heading
from ambiser.report.figure_style import take_picture
from ambiser.report.palette import COLORS
from ambiser.report.sound_overview import SoundOverview, draw_durations, draw_levels

BLUE, ORANGE = COLORS[:2]
_SIZE = (4.2, 2.6)
_BINS = 24
_MANY = 40


def render_page(
    record: CorpusRecord,
    statistics: DataStatistics,
    figures_dir: Path,
    sound: SoundOverview | None = None,
    formats: Collection[str] = (),
) -> str:
    """Draws the figures and returns the HTML of the data report.

    Args:
        record: of stage 1 (corpus.json).
        statistics: from `ambiser.report.data_statistics.collect_statistics`.
        figures_dir: where the figures are written.
        sound: the overview of the audio; None shows none.
        formats: of the figures beside SVG: some of png and pdf.
    """
    drawn = (
        ("data_classes", _CLASSES, lambda: _draw_classes(statistics.tables[0])),
        ("data_entropy", _ENTROPY, lambda: _draw_entropies(statistics.entropies)),
        ("data_votes", _VOTES, lambda: _draw_votes(statistics.raters_per_utterance)),
    )
    heard = () if sound is None else (("data_durations", _DURATIONS, lambda: draw_durations(sound.durations_s)),)
    if sound is not None and len(sound.levels_db):
        heard = (*heard, ("data_levels", _LEVELS, lambda: draw_levels(sound.levels_db)))
    where = {"folder": figures_dir, "formats": formats}
    pictures, sounds = (
        [take_picture(draw, name=name, caption=caption, **where) for name, caption, draw in group]
        for group in (drawn, heard)
    )
    shown = {"pictures": pictures, "sound": sound, "sounds": sounds}
    return page_template.render_page(
        "data_page.html.j2", heading=heading(record), record=record, statistics=statistics, **shown
    )


_CLASSES = "Utterances per hard label, whole corpus."
_ENTROPY = "Entropy of the votes in bits: 0 is unanimous, log2(number of classes) is maximal disagreement."
_VOTES = "Raters per utterance."
_DURATIONS = "Durations of all utterances."
_LEVELS = "Level (root mean square) of a sample of the utterances."


def _draw_classes(table: CountTable) -> Figure:
    names, counts = table.header[2:-2], table.rows[-1][2:-2]
    figure, axis = _axis()
    axis.barh(names[::-1], counts[::-1], color=BLUE)
    axis.grid(visible=False, axis="y")
    axis.set_xlabel("utterances")
    return figure


def _draw_entropies(entropies: np.ndarray) -> Figure:
    figure, axis = _axis()
    axis.hist(entropies, bins=_BINS, color=BLUE)
    axis.set_xlabel("entropy (bits)")
    axis.set_ylabel("utterances")
    return figure


def _draw_votes(votes: np.ndarray) -> Figure:
    figure, axis = _axis()
    counts = np.bincount(np.minimum(votes.astype(int), _MANY))
    axis.bar(np.arange(len(counts)), counts, color=ORANGE)
    axis.set_xlim(0, len(counts))
    axis.set_xlabel(f"raters (the last bar: {_MANY} or more)" if len(counts) > _MANY else "raters")
    axis.set_ylabel("utterances")
    return figure


def _axis() -> tuple[Figure, object]:
    figure = Figure(figsize=_SIZE, layout="constrained")
    return figure, figure.subplots()
