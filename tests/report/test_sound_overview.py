"""The sound overview of stage 1's page: facts of known signals, outliers by name, tables and figures."""

import numpy as np
import pytest
import soundfile
from make_record import make_record

from ambiser.corpora.sound import Sound, measure_sound, sample_sound
from ambiser.io.files import write_text
from ambiser.io.layout import Layout
from ambiser.io.tables import write_table
from ambiser.report import data_page
from ambiser.report.data_page import render_page
from ambiser.report.data_statistics import CountTable, DataStatistics
from ambiser.report.figure_style import Picture
from ambiser.report.sound_overview import describe_sound

RATE_HZ = 8000
TIME_S = np.arange(RATE_HZ) / RATE_HZ
TONE = 0.5 * np.sin(2 * np.pi * 200 * TIME_S)
NORMAL = Sound(-20, -3, 0, 0, 0.1)


def test_a_sine_has_the_level_of_theory():
    sound = measure_sound(TONE[:, None], RATE_HZ)
    assert sound.level_db == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=1e-3)
    assert sound.peak_db == pytest.approx(20 * np.log10(0.5), abs=1e-3)
    assert (sound.clipped, sound.silent) == (0, 0) and sound.offset < 1e-9


def test_clipping_offset_silence_and_the_loudest_channel():
    square = np.where(TIME_S < 0.25, 1.0, TONE)
    assert measure_sound(square[:, None], RATE_HZ).clipped == pytest.approx(0.25, abs=1e-3)
    shifted = measure_sound(TONE[:, None] + 0.1, RATE_HZ)
    assert shifted.offset == pytest.approx(0.1) and shifted.level_db == pytest.approx(-9.03, abs=0.01)
    half = np.where(TIME_S < 0.5, TONE, 1e-4 * TONE)
    assert measure_sound(half[:, None], RATE_HZ).silent == pytest.approx(0.5, abs=0.03)
    both = np.stack([0 * TONE, TONE], axis=1)
    assert measure_sound(both, RATE_HZ).level_db == pytest.approx(-9.03, abs=0.01)
    assert measure_sound(np.zeros((RATE_HZ, 1)), RATE_HZ) == (-120, -120, 0, 0, 1)


def test_outliers_are_counted_and_named():
    sounds = {f"u{i}": NORMAL for i in range(9)}
    sounds |= {
        "clip": NORMAL._replace(clipped=0.01),
        "offset": NORMAL._replace(offset=0.02),
        "quiet": NORMAL._replace(level_db=-41),
        "pause": NORMAL._replace(silent=0.9),
        "zero": Sound(-120, -120, 0, 0, 1),
        "bad": Sound(*[np.nan] * 5),
    }
    durations_s = dict.fromkeys(sounds, 2.0) | {f"s{i}": 0.1 for i in range(7)} | {"long": 40.0}
    overview = describe_sound(make_record(audio={"channels": {"1": 20, "2": 3}}), durations_s, sounds)
    assert overview.outliers == [
        (7, "shorter than 0.5 s: s0, s1, s2, s3, s4 and 2 more"),
        (1, "longer than 30 s: long"),
        (1, "no sound at all: zero"),
        (1, "clipped: more than 0.1 % of the samples at full scale: clip"),
        (1, "DC offset above 1 % of full scale: offset"),
        (1, "20 dB quieter than the median: quiet"),
        (1, "more than 80 % silence: pause"),
        (1, "cannot be decoded: bad"),
    ]
    assert overview.tables[0].rows[0] == ["duration (s), 23 utterances", "0.10", "0.10", "2.00", "2.00", "40.00"]
    assert overview.tables[1].rows == [["1", 20], ["2", 3]]


def test_the_sample_is_measured_once_and_shown_on_the_page(tmp_path, monkeypatch):
    drawn = []

    def draw_only(draw, *, name, caption, folder, formats):
        drawn.append((name, draw()))
        return Picture(name, caption, "<svg></svg>")

    monkeypatch.setattr(data_page, "take_picture", draw_only)
    layout = Layout(tmp_path, tmp_path, tmp_path)
    for i in range(6):
        soundfile.write(tmp_path / f"u{i}.wav", TONE * (i + 1) / 6, RATE_HZ)
    write_table(layout.table("wav.scp"), {f"u{i}": tmp_path / f"u{i}.wav" for i in range(6)})
    write_text(layout.corpus_record(), "{}")
    sounds = sample_sound(layout, 4)
    assert len(sounds) == 4 and all(-30 < sound.level_db < -9 for sound in sounds.values())
    (tmp_path / f"{next(iter(sounds))}.wav").unlink()
    again = sample_sound(layout, 4)  # from sound.tsv
    assert {utt: list(sound) for utt, sound in again.items()} == pytest.approx(
        {utt: pytest.approx(list(sound), rel=1e-4) for utt, sound in sounds.items()}
    )
    overview = describe_sound(make_record(), {f"u{i}": 1.0 for i in range(6)}, sounds)
    table = CountTable("", ["", "utterances", "neutral", "no hard label", "left out"], [["all", 6, 6, 0, 0]])
    statistics = DataStatistics([table], np.zeros(6), np.ones(6), {})
    page = render_page(make_record(), statistics, tmp_path / "figures", overview)
    assert "level (dB of full scale), 4 utterances" in page
    assert [name for name, _ in drawn][3:] == ["data_durations", "data_levels"]
    assert page.index("<h2>Sound</h2>") < page.index("<h2>Unusual sound</h2>")
