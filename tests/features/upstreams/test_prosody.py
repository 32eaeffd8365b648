import tracemalloc

import numpy as np
import pytest
from scipy.signal import resample_poly

from ambiser.config.schema import SpeechFeatures
from ambiser.features.upstreams.pooling import append_prosody, means_are_constant
from ambiser.features.upstreams.prosody import NAMES, prosody


def voice(hz, seconds=1.0, amplitude=0.1):
    """A buzz of seven harmonics; `hz` may be a number or one value a sample."""
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(hz, round(16000 * seconds))) / 16000
    return amplitude * sum(np.sin(k * phase) / k for k in range(1, 8))


def named(wav):
    values = prosody(wav)
    assert values.shape == (len(NAMES),) and np.isfinite(values).all()
    return dict(zip(NAMES, values, strict=True))


@pytest.mark.parametrize("hz", [80, 120, 220, 400])
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_the_pitch_of_a_voice_is_measured(hz, noise):
    wav = voice(hz) + noise * np.random.default_rng(0).standard_normal(16000)
    found = named(wav)
    assert found["pitch_mean"] == pytest.approx(np.log2(hz / 55), abs=0.01)
    assert found["pitch_std"] < 0.025 and abs(found["pitch_slope"]) < 0.025
    assert found["voiced_share"] == 1 and found["voicing_strength"] > 0.9


def test_slope_and_range_of_a_gliding_pitch_are_measured():
    found = named(voice(110 * 2 ** np.linspace(0, 1, 32000), 2.0))  # an octave in two seconds
    assert found["pitch_slope"] == pytest.approx(0.5, abs=0.025)
    assert found["pitch_mean"] == pytest.approx(1.5, abs=0.025)
    assert found["pitch_range"] == pytest.approx(0.9, abs=0.04)


def test_loudness_is_the_level_and_depends_on_nothing_but_the_gain():
    soft, loud = (named(voice(150, amplitude=amplitude)) for amplitude in (0.02, 0.2))
    expected = np.log10(np.sqrt(np.mean(voice(150, amplitude=0.2) ** 2)))
    assert loud["loudness_mean"] == pytest.approx(expected, abs=0.01)
    assert loud["loudness_mean"] - soft["loudness_mean"] == pytest.approx(1, abs=0.001)
    assert all(soft[name] == pytest.approx(loud[name], abs=1e-6) for name in NAMES[1:])


def test_syllables_and_pauses_are_counted():
    wav = np.concatenate([np.concatenate([voice(150, 0.15), np.zeros(2400)]) for _ in range(8)])  # 0.3 s each
    found = named(wav + 1e-5)
    assert found["voiced_runs_per_s"] == pytest.approx(8 / 2.4, rel=0.05)
    assert found["loudness_peaks_per_s"] == pytest.approx(8 / 2.4, rel=0.15)
    assert found["pause_share"] == pytest.approx(0.5, abs=0.15)
    assert found["voiced_share"] == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize(
    "wav", [np.zeros(16000), np.zeros(1), np.full(20, 0.1), np.full(16000, 1e-40), np.full(16000, 3e38)]
)
def test_silence_and_single_samples_have_prosody_too(wav):
    assert named(wav.astype(np.float32))["pitch_slope"] == 0


def test_memory_and_values_do_not_depend_on_the_length():
    peaks = []
    for seconds in (15, 60):
        wav = voice(110 * 2 ** np.linspace(0, 1, 16000 * seconds), seconds)
        tracemalloc.start()
        found = named(wav)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert found["pitch_slope"] == pytest.approx(1 / seconds, rel=0.02) and found["voiced_share"] == 1
    assert peaks[1] < peaks[0] + 2 * wav.nbytes


def test_noise_is_not_voiced():
    wav = 0.1 * np.random.default_rng(0).standard_normal(32000)
    dull = resample_poly(0.1 * np.random.default_rng(1).standard_normal(8000), 4, 1)  # below 2 kHz
    for found in (named(wav), named(dull)):
        assert found["voiced_share"] < 0.05


def test_prosody_is_appended_to_every_layer():
    wav = voice(150)
    pooled = np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32)
    stored = append_prosody(pooled, wav)
    assert stored.shape == (3, 5 + len(NAMES)) and stored.dtype == np.float32
    np.testing.assert_array_equal(stored[:, :5], pooled)
    for row in stored[:, 5:]:
        np.testing.assert_allclose(row, prosody(wav), rtol=1e-6)


@pytest.mark.parametrize("statistics", ["mean", "mean_std"])
def test_constant_means_are_detected_with_prosody_appended(statistics):
    speech = SpeechFeatures(prosody=True, statistics=statistics)
    width = 4 if statistics == "mean" else 8
    same = [append_prosody(np.ones((1, width)), voice(hz)) for hz in (100, 200)]
    assert means_are_constant(same, speech)
    other = [append_prosody(np.full((1, width), value), voice(100)) for value in (1, 2)]
    assert not means_are_constant(other, speech)


def test_prosody_needs_pooled_features():
    with pytest.raises(ValueError, match="prosody goes with form: pooled, not frames"):
        SpeechFeatures(prosody=True, form="frames")
