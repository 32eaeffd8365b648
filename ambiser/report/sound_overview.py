"""Describes the audio of a prepared corpus: formats, durations, level, clipping, offset and silence, with outliers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from ambiser.corpora.sound import Sound
from ambiser.errors import name_some
from ambiser.io.corpus_record import CorpusRecord
from ambiser.report.data_statistics import CountTable
from ambiser.report.figure_style import COLORS, new_figure

SHORT_S, LONG_S = 0.5, 30.0
_QUANTILES = (0, 0.05, 0.5, 0.95, 1)
_NAMED = 5
_BINS = 24
_FEATURES: dict[str, tuple[float, str]] = {  # factor, format
    "level_db": (1, "level (dB of full scale)"),
    "peak_db": (1, "peak (dB of full scale)"),
    "clipped": (100, "samples at full scale (%)"),
    "offset": (100, "DC offset (% of full scale)"),
    "silent": (100, "silent frames (%)"),
}
RULES: dict[str, Callable[[Sound, float], bool]] = {
    "no sound at all": lambda sound, _: sound.peak_db <= -119,
    "clipped: more than 0.1 % of the samples at full scale": lambda sound, _: sound.clipped > 0.001,
    "DC offset above 1 % of full scale": lambda sound, _: sound.offset > 0.01,
    "20 dB quieter than the median": lambda sound, median: sound.peak_db > -119 and sound.level_db < median - 20,
    "20 dB louder than the median": lambda sound, median: sound.level_db > median + 20,
    "more than 80 % silence": lambda sound, _: sound.peak_db > -119 and sound.silent > 0.8,
    "cannot be decoded": lambda sound, _: np.isnan(sound.level_db),
}
"""What is unusual, from the facts of a file and the median level."""


@dataclass(frozen=True)
class SoundOverview:
    """The tables, the outliers as count and text with examples, and what the figures draw."""

    tables: list[CountTable]
    outliers: list[tuple[int, str]]
    durations_s: np.ndarray
    levels_db: np.ndarray


def describe_sound(
    record: CorpusRecord, durations_s: Mapping[str, float], sounds: Mapping[str, Sound]
) -> SoundOverview:
    """Describes the audio.

    Args:
        record: of stage 1, with the counts of rates, channels and formats.
        durations_s: of all utterances.
        sounds: of a sample.
    """
    length = np.array(list(durations_s.values()))
    rows = [[f"duration (s), {len(length)} utterances", *_quantiles(length)]]
    for name, (factor, title) in _FEATURES.items():
        values = np.array([getattr(sound, name) for sound in sounds.values()]) * factor
        values = values[~np.isnan(values)]
        rows += [[f"{title}, {len(values)} utterances", *_quantiles(values)]] if len(values) else []
    header = ["", "lowest", "5 %", "median", "95 %", "highest"]
    tables = [CountTable("", header, rows)]
    for title, counts in (record.audio or {}).items():
        pairs = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        tables.append(CountTable(title, [title, "utterances"], [list(pair) for pair in pairs]))
    levels = np.array([s.level_db for s in sounds.values() if s.level_db > -119])
    return SoundOverview(tables, _outliers(durations_s, sounds, levels), length, levels)


def _outliers(
    durations_s: Mapping[str, float], sounds: Mapping[str, Sound], levels_db: np.ndarray
) -> list[tuple[int, str]]:
    median = float(np.median(levels_db)) if len(levels_db) else 0.0
    found = {
        f"shorter than {SHORT_S:g} s": [utt for utt, s in durations_s.items() if s < SHORT_S],
        f"longer than {LONG_S:g} s": [utt for utt, s in durations_s.items() if s > LONG_S],
    }
    for name, rule in RULES.items():
        found[name] = [utt for utt, sound in sounds.items() if rule(sound, median)]
    return [(len(utts), f"{name}: {name_some(utts, _NAMED)}") for name, utts in found.items() if utts]


def _quantiles(values: np.ndarray) -> list[str]:
    return [f"{value:.2f}" for value in np.quantile(values, _QUANTILES)]


def draw_durations(durations_s: np.ndarray) -> Figure:
    """Draws the histogram of durations; the last bar has all above the 99th percentile."""
    figure, axis = new_figure(2.6)
    most = float(np.quantile(durations_s, 0.99))
    axis.hist(np.minimum(durations_s, most), bins=_BINS, color=COLORS[0])
    axis.set_xlabel(f"duration (s); the last bar: {most:.1f} or more")
    axis.set_ylabel("utterances")
    return figure


def draw_levels(levels_db: np.ndarray) -> Figure:
    """Draws the histogram of levels."""
    figure, axis = new_figure(2.6)
    axis.hist(levels_db, bins=_BINS, color=COLORS[1])
    axis.set_xlabel("level (dB of full scale)")
    axis.set_ylabel("utterances")
    return figure
