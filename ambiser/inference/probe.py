"""Recognizes pre-trained encoders by what they compute: a few features of a fixed signal and of a fixed sentence.

The same weights exist in different files: in another precision, or saved by another program. Their features agree to a
few parts in a thousand; those of another model or checkpoint do not.
"""

from collections.abc import Callable, Sequence

import numpy as np

from ambiser.config.schema import SpeechFeatures
from ambiser.io.audio import SAMPLE_RATE_HZ

SENTENCE = "Nobody told me that the train had already left."
VALUES = 64
TOLERANCE = 0.02
"""Largest difference of two probes as a share of their length; weights rounded to 16 bits differ by less than 0.005."""
_DIGITS = 5


def probe_signal() -> np.ndarray:
    """Returns two seconds of a rising tone with overtones and a changing loudness, (32000,) float32 at 16 kHz."""
    time = np.arange(2 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    phase = 2 * np.pi * (120 * time + 40 * time**2)
    tone = sum(np.sin(k * phase) / k for k in range(1, 9))
    return (0.05 * tone * (1 + np.sin(2 * np.pi * 3 * time))).astype(np.float32)


def probe_speech(upstream: object, speech: SpeechFeatures) -> list[float]:
    """Returns some features of `probe_signal`, at most 64, evenly from the matrix that stage 2 would store."""
    from ambiser.features.extraction.shard_work import feature_matrices

    (matrix,) = feature_matrices([probe_signal()], upstream, speech)
    return _some(matrix)


def probe_text(encode: Callable[[str], np.ndarray]) -> list[float]:
    """Returns some features of SENTENCE, at most 64, evenly from the matrix that stage 2 would store."""
    return _some(encode(SENTENCE))


def agree(probe: Sequence[float], expected: Sequence[float]) -> bool:
    """Whether two probes come from the same weights, up to their precision; false where one is empty."""
    if not probe or len(probe) != len(expected):
        return False
    a, b = np.asarray(probe), np.asarray(expected)
    return bool(np.linalg.norm(a - b) <= TOLERANCE * np.linalg.norm(b))


def _some(matrix: np.ndarray) -> list[float]:
    flat = np.asarray(matrix, dtype=float).ravel()
    places = np.linspace(0, len(flat) - 1, min(len(flat), VALUES)).round().astype(int)
    return [round(float(value), _DIGITS) for value in flat[places]]
