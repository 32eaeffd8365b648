"""Measures prosody (loudness, pitch, voicing, rate), which self-supervised features hardly represent.

Uses numpy and scipy only: Praat is under the GPL, WORLD has no wheels, and librosa depends on a compiler.
"""

import numpy as np

from ambiser.io.audio import SAMPLE_RATE_HZ

NAMES = (
    "loudness_mean",
    "loudness_std",
    "loudness_range",
    "pitch_mean",
    "pitch_std",
    "pitch_range",
    "pitch_slope",
    "voiced_share",
    "voicing_strength",
    "voiced_runs_per_s",
    "loudness_peaks_per_s",
    "pause_share",
)

_WINDOW, _HOP = 640, 160  # 40 ms every 10 ms: more than two periods of the lowest voice
_LOWEST_HZ, _HIGHEST_HZ = 75.0, 500.0
_OCTAVE_COST = 0.05  # per octave, against the longer of two periods that fit equally well
_VOICED = 0.5  # threshold of the normalized autocorrelation
_SILENCE = -4.5  # lowest loudness, log10 of the amplitude
_PAUSE = 1.25  # below the loudest frame: 25 dB
_PEAK = 0.1
_BLOCK = 1000  # frames at a time, which bounds the memory on long audio


def prosody(wav: np.ndarray) -> np.ndarray:
    """Returns functionals of an utterance's prosody.

    Args:
        wav: (samples,) at 16 kHz.

    Returns:
        (12,) float64, named by `NAMES`. Loudness is log10 of the RMS of a frame (0.05 is one decibel; full scale 0,
        at least -4.5), its range the 5th to 95th percentile. Pitch is in octaves above 55 Hz over
        voiced frames, its slope in octaves per second; all four are 0 without voiced frames. Strength is the mean of
        the normalized autocorrelation over voiced frames. Loudness peaks approximate syllables; frames 25 dB below
        the loudest one are pauses, and never voiced.
    """
    from scipy.signal import find_peaks  # the import takes a second, and few runs use prosody

    frames = np.lib.stride_tricks.sliding_window_view(np.pad(wav, (0, max(0, _WINDOW - len(wav)))), _WINDOW)[::_HOP]
    blocks = [track_frames(frames[start : start + _BLOCK]) for start in range(0, len(frames), _BLOCK)]
    level, pitch_hz, strength = np.concatenate(blocks, axis=1)
    pause = level <= max(level.max() - _PAUSE, _SILENCE)
    voiced = _smooth(((strength > _VOICED) & ~pause).astype(float)) > 0
    seconds = len(frames) * _HOP / SAMPLE_RATE_HZ
    runs = np.count_nonzero(np.diff(voiced.astype(int), prepend=0) == 1)
    peaks, _ = find_peaks(_smooth(level), prominence=_PEAK, distance=8)
    return np.array(
        [
            level.mean(),
            level.std(),
            _range(level),
            *_pitch_functionals(pitch_hz, voiced),
            voiced.mean(),
            strength[voiced].mean() if voiced.any() else 0.0,
            runs / seconds,
            len(peaks) / seconds,
            pause.mean(),
        ]
    )


def track_frames(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns loudness, pitch in Hz and strength of voicing of each (640,) frame: (N,) each.

    The pitch period is the lag with the largest autocorrelation, which is divided by that of the window.

    Source: P. Boersma, "Accurate short-term analysis of the fundamental frequency", 1993, without its path search.
    """
    window = np.hanning(_WINDOW + 1)[:-1]
    centered = frames - frames.mean(axis=1, keepdims=True, dtype=np.float64)
    level = np.log10(np.maximum(np.sqrt((centered**2).mean(axis=1)), 10**_SILENCE))
    shortest, longest = int(SAMPLE_RATE_HZ / _HIGHEST_HZ), int(np.ceil(SAMPLE_RATE_HZ / _LOWEST_HZ))
    lags = np.arange(shortest - 1, longest + 2)
    correlation = _autocorrelation(centered * window) / _autocorrelation(window[None])
    correlation = correlation[:, lags] / np.where(correlation[:, :1] > 0, correlation[:, :1], 1.0)
    best = (correlation[:, 1:-1] - _OCTAVE_COST * np.log2(lags[1:-1])).argmax(axis=1) + 1
    rows = np.arange(len(frames))
    before, peak, after = (correlation[rows, best + step] for step in (-1, 0, 1))
    bend = before - 2 * peak + after
    shift = np.where(bend < 0, 0.5 * (before - after) / np.where(bend < 0, bend, 1.0), 0.0)
    return level, SAMPLE_RATE_HZ / (lags[best] + np.clip(shift, -1, 1)), np.clip(peak, 0.0, 1.0)


def _autocorrelation(rows: np.ndarray) -> np.ndarray:
    spectrum = np.fft.rfft(rows, 2 * _WINDOW, axis=1)
    return np.fft.irfft(spectrum.real**2 + spectrum.imag**2, axis=1)[:, : _WINDOW // 2]


def _pitch_functionals(pitch_hz: np.ndarray, voiced: np.ndarray) -> tuple[float, float, float, float]:
    if not voiced.any():
        return 0.0, 0.0, 0.0, 0.0
    octaves = _smooth(np.log2(pitch_hz[voiced] / 55.0))
    times = np.flatnonzero(voiced) * _HOP / SAMPLE_RATE_HZ
    times = times - times.mean()
    slope = (times * octaves).sum() / (times**2).sum() if len(times) > 1 else 0.0
    return octaves.mean(), octaves.std(), _range(octaves), slope


def _smooth(values: np.ndarray) -> np.ndarray:
    """Returns the running median over five frames, which removes outliers."""
    return np.median(np.lib.stride_tricks.sliding_window_view(np.pad(values, 2, mode="edge"), 5), axis=1)


def _range(values: np.ndarray) -> float:
    low, high = np.percentile(values, [5, 95])
    return high - low
