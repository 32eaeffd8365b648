"""Synthesizes speech by a source-filter model whose prosody carries emotion; nothing here is recorded."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RATE_HZ = 16000
_BLOCK = 64  # samples between two points of the pitch contour
_BANDWIDTHS_HZ = (80.0, 110.0, 160.0, 220.0)

# Formants F1-F4 in Hz, level in dB and relative length of the units, one a letter; n noise, v voice.
_VOWELS = {
    "a": (750, 1250, 2500, 3500), "e": (520, 1850, 2500, 3500), "i": (320, 2200, 2900, 3600),
    "o": (500, 900, 2450, 3400), "u": (340, 950, 2300, 3300), "y": (350, 2000, 2700, 3500),
}  # fmt: skip
_NASALS = {
    "m": (280, 1000, 2200, 3300), "n": (280, 1500, 2500, 3300), "l": (360, 1200, 2700, 3400),
    "r": (420, 1150, 1650, 3300), "w": (330, 750, 2300, 3300), "j": (300, 2100, 2900, 3500),
}  # fmt: skip
_NOISES = {
    "s": (3800, 5200, 6200, 7000), "z": (3600, 5000, 6000, 7000), "f": (1500, 3500, 5500, 7200),
    "v": (1200, 3000, 5000, 7000), "h": (700, 1600, 2600, 3800), "x": (2200, 4200, 5500, 6800),
}  # fmt: skip
_STOPS = {
    "p": (800, 1500, 2500, 3500), "b": (500, 1100, 2400, 3400), "t": (2500, 3900, 5200, 6500),
    "d": (1700, 2600, 3600, 5000), "k": (1400, 2000, 3000, 4500), "g": (900, 1900, 2600, 4000),
}  # fmt: skip
_SAME = {"c": "k", "q": "k"}
_GRID_HZ = np.linspace(50.0, 7950.0, 159)
_GRID = np.exp(-2j * np.pi * _GRID_HZ / RATE_HZ)
_VOICE_POWER = 1 / (1 + (_GRID_HZ / 300) ** 2)  # the spectrum of the glottal pulses, roughly


@dataclass(frozen=True)
class Speaker:
    """What makes a voice: pitch, length of the vocal tract and habits."""

    pitch_hz: float
    tract: float
    loudness_db: float
    tilt: float
    breath: float
    rate: float


@dataclass(frozen=True)
class Prosody:
    """How something is said, relative to the speaker.

    pitch_st, range_st and slope_st are semitones (slope: from the first to the last sample); tilt is added to the
    pole of a low-pass (negative: brighter); breath is the share of noise in the voice; rate is a factor; jitter is
    the deviation of the periods as a share; spread shifts the formants (a smile is above 1).
    """

    pitch_st: float
    range_st: float
    slope_st: float
    loudness_db: float
    tilt: float
    breath: float
    rate: float
    jitter: float
    spread: float


@dataclass(frozen=True)
class Unit:
    """One stretch of sound; `word` is -1 in a pause."""

    letter: str
    samples: int
    word: int


def plan_units(
    words: Sequence[str], *, rate: float, rng: np.random.Generator, shortest_s: float, longest_s: float
) -> list[Unit]:
    """Spells words into units with their lengths, 1 to 4 seconds in all as the limits say."""
    letters: list[tuple[str, float, int]] = [(" ", 0.04, -1)]
    for index, word in enumerate(words):
        letters += [(c, _length_s(c), index) for c in (_SAME.get(c, c) for c in word) if _kind(c)]
        letters.append((" ", 0.01 + 0.08 * float(rng.random() < 0.1), -1))
    letters.append((" ", 0.04, -1))
    lengths = np.array([length for _, length, _ in letters]) * rng.uniform(0.8, 1.2, len(letters)) / rate
    lengths *= np.clip(lengths.sum(), shortest_s, longest_s) / lengths.sum()
    return [Unit(c, int(s * RATE_HZ), w) for (c, _, w), s in zip(letters, lengths, strict=True)]


def speak(units: Sequence[Unit], *, speaker: Speaker, prosody: Prosody, rng: np.random.Generator) -> np.ndarray:
    """Synthesizes units.

    Returns:
        (samples,) int16 at 16 kHz, as long as the units together.
    """
    from scipy.signal import lfilter, sosfilt  # slow to import, and other corpora need none of it

    n_samples = sum(unit.samples for unit in units)
    voice, noise = _source(n_samples, speaker=speaker, prosody=prosody, rng=rng)
    sound = np.empty(n_samples)
    at = 0
    for unit in units:
        part = slice(at, at + unit.samples)
        level, excitation = _excitation(unit, voice[part], noise[part])
        voiced = _kind(unit.letter) in ("vowel", "nasal")
        sections, gain = _resonators(_formants(unit.letter), scale=speaker.tract * prosody.spread, voiced=voiced)
        sound[part] = sosfilt(sections, excitation * (level * gain))
        at += unit.samples
    pole = min(max(speaker.tilt + prosody.tilt, 0.0), 0.97)
    sound = lfilter([1.0], [1.0, -pole], sound)
    rms = float(np.sqrt(np.mean(sound**2))) + 1e-12
    target = 10 ** ((-31.0 + speaker.loudness_db + prosody.loudness_db) / 20)
    room = rng.standard_normal(n_samples) * 1.5e-3
    return np.clip(np.round((sound * (target / rms) + room) * 32767), -32767, 32767).astype("<i2")


def _source(
    n_samples: int, *, speaker: Speaker, prosody: Prosody, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Returns glottal pulses (with jitter, shimmer and breath) and white noise."""
    n_points = n_samples // _BLOCK + 2
    wander = np.cumsum(rng.standard_normal(n_points)) * np.sqrt(_BLOCK / RATE_HZ)
    wander -= np.linspace(wander[0], wander[-1], n_points)
    accents = np.sin(2 * np.pi * np.arange(n_points) * _BLOCK / RATE_HZ * rng.uniform(1.6, 2.6) + rng.uniform(0, 6.28))
    line = np.linspace(0.5, -0.5, n_points) * -prosody.slope_st
    contour_st = prosody.pitch_st + line + prosody.range_st * (0.7 * accents + wander)
    jitter = 1 + prosody.jitter * rng.standard_normal(n_points)
    pitch_hz = np.clip(speaker.pitch_hz * 2 ** (contour_st / 12), 55.0, 520.0) * np.clip(jitter, 0.8, 1.2)
    phase = np.cumsum(np.interp(np.arange(n_samples), np.arange(n_points) * _BLOCK, pitch_hz)) / RATE_HZ
    period = phase.astype(np.int64)
    within = phase - period
    shimmer = 1 + 1.5 * prosody.jitter * rng.standard_normal(int(period[-1]) + 2)
    opening = np.where(within < 0.6, np.sin(np.pi * within / 0.6) ** 2, 0.0)
    pulses = np.diff(opening * shimmer[period], prepend=0.0) * 6
    noise = rng.standard_normal(n_samples)
    breath = min(max(speaker.breath + prosody.breath, 0.0), 0.95)
    return (1 - breath) * pulses + breath * 0.5 * noise * (0.3 + opening), noise


def _excitation(unit: Unit, voice: np.ndarray, noise: np.ndarray) -> tuple[float, np.ndarray]:
    kind = _kind(unit.letter)
    ramp = np.minimum(1.0, np.minimum(np.arange(unit.samples) + 1, np.arange(unit.samples, 0, -1)) / 80)
    if kind == "vowel":
        return 1.0, voice * ramp
    if kind == "nasal":
        return 0.5, voice * ramp
    if kind == "noise":
        return 0.045, (noise + voice * (2.0 if unit.letter in "zv" else 0.0)) * ramp
    if kind == "stop":
        burst = np.arange(unit.samples) > 0.6 * unit.samples
        return 0.09, (noise * burst + voice * (0.4 if unit.letter in "bdg" else 0.0)) * ramp
    return 0.0, noise


def _resonators(formants_hz: Sequence[float], *, scale: float, voiced: bool) -> tuple[np.ndarray, float]:
    """Returns second-order sections, one a formant, and the gain that makes all units about equally strong."""
    frequency = np.minimum(np.asarray(formants_hz) * scale, 7400.0)
    radius = np.exp(-np.pi * np.asarray(_BANDWIDTHS_HZ) / RATE_HZ)
    a1, a2 = -2 * radius * np.cos(2 * np.pi * frequency / RATE_HZ), radius**2
    zero = np.zeros(4)
    sections = np.stack([1 + a1 + a2, zero, zero, np.ones(4), a1, a2], axis=1)
    poles = 1 + a1[:, None] * _GRID + a2[:, None] * _GRID**2
    power = np.prod(np.abs((1 + a1 + a2)[:, None] / poles) ** 2, axis=0)
    weights = _VOICE_POWER if voiced else np.ones(len(power))
    return sections, float(np.sqrt(weights.sum() / (power * weights).sum()))


def _formants(letter: str) -> Sequence[float]:
    for table in (_VOWELS, _NASALS, _NOISES, _STOPS):
        if letter in table:
            return table[letter]
    return _NASALS["m"]


def _kind(letter: str) -> str:
    names = ((_VOWELS, "vowel"), (_NASALS, "nasal"), (_NOISES, "noise"), (_STOPS, "stop"))
    return next((name for table, name in names if letter in table), "")


def _length_s(letter: str) -> float:
    return {"vowel": 0.11, "nasal": 0.06, "noise": 0.08, "stop": 0.055}[_kind(letter)]
