"""Measures level, clipping, DC offset and silence of a sample of the audio (data/sound.tsv)."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from ambiser.io.console import progress
from ambiser.io.files import digest
from ambiser.io.layout import Layout
from ambiser.io.tables import read_table, read_tsv, write_tsv
from ambiser.io.threads import in_threads

COLUMNS = ["utt", "level_db", "peak_db", "clipped", "offset", "silent"]
_FULL_SCALE = 0.999
_LONGEST_S = 60
_MOST_SAMPLES = 2**25  # of all channels: more than 60 s of stereo at 192 kHz
_FRAME_S = 0.025
_SILENT_DB = -40  # below the loudest frame
_FLOOR = 1e-6  # -120 dB: the level of digital silence


class Sound(NamedTuple):
    """Facts about the first minute of a file.

    Attributes:
        level_db: root mean square, in dB of full scale.
        peak_db: largest absolute value, in dB of full scale.
        clipped: share of samples at full scale.
        offset: absolute mean, as a share of full scale.
        silent: share of frames of 25 ms that are 40 dB below the loudest one.
    """

    level_db: float
    peak_db: float
    clipped: float
    offset: float
    silent: float


def measure_sound(samples: np.ndarray, sample_rate_hz: int) -> Sound:
    """Measures (n, channels) samples in [-1, 1]; the loudest channel counts."""
    peak = np.abs(samples).max(axis=0)  # (channels,)
    offset = samples.mean(axis=0)
    loudest = int(np.argmax(peak))
    signal = samples[:, loudest] - offset[loudest]  # (n,)
    width = max(1, int(_FRAME_S * sample_rate_hz))
    frames = signal[: len(signal) // width * width].reshape(-1, width) if len(signal) >= width else signal[None]
    levels_db = _decibel(np.sqrt((frames**2).mean(axis=1)))  # (frames,)
    return Sound(
        level_db=float(_decibel(np.sqrt((signal**2).mean()))),
        peak_db=float(_decibel(peak[loudest])),
        clipped=float((np.abs(samples) >= _FULL_SCALE).any(axis=1).mean()),
        offset=float(np.abs(offset).max()),
        silent=float((levels_db <= max(levels_db.max() + _SILENT_DB, _decibel(_FLOOR))).mean()),
    )


def sample_sound(layout: Layout, most: int) -> dict[str, Sound]:
    """Measures a sample of the utterances, or returns what was measured since stage 1.

    Args:
        layout: where the tables are; sound.tsv is written there.
        most: size of the sample, which follows a hash of the names; 0 measures nothing.
    """
    path = layout.data_dir / "sound.tsv"
    wavs = read_table(layout.table("wav.scp"))
    chosen = sorted(sorted(wavs, key=digest)[:most])
    is_new = path.is_file() and path.stat().st_mtime_ns >= layout.corpus_record().stat().st_mtime_ns
    known = {row.pop("utt"): Sound(*map(float, row.values())) for row in read_tsv(path, COLUMNS)} if is_new else {}
    if list(known) == chosen:
        return known
    results = in_threads(_measure_file, [Path(wavs[utt]) for utt in chosen], batch=8)
    measured = dict(zip(chosen, progress(results, "measuring the sound", total=len(chosen)), strict=True))
    write_tsv(path, COLUMNS, ((utt, *(f"{value:.6g}" for value in sound)) for utt, sound in measured.items()))
    return measured


def _measure_file(path: Path) -> Sound:
    """Measures the start of a file; nan for one that cannot be decoded, which stage 2 reports."""
    try:
        with soundfile.SoundFile(str(path)) as stream:
            most = min(_LONGEST_S * stream.samplerate, _MOST_SAMPLES // stream.channels)
            samples = stream.read(most, dtype="float32", always_2d=True)
            return measure_sound(samples, stream.samplerate) if len(samples) else Sound(*[np.nan] * 5)
    except (soundfile.SoundFileError, RuntimeError, OSError):
        return Sound(*[np.nan] * 5)


def _decibel(amplitude: np.ndarray | float) -> np.ndarray:
    return 20 * np.log10(np.maximum(amplitude, _FLOOR))
