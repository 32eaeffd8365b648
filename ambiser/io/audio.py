"""Reads audio with soundfile as mono float32 at the requested sample rate, or reports a clear error."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from ambiser.errors import DataError

SAMPLE_RATE_HZ = 16000
_BLOCK = 2**20  # samples of all channels together
RATES_HZ = (1000, 1_000_000)
MOST_SAMPLES = 2**29
"""Most samples of one channel, 3 hours at 48 kHz: a compressed file of a few MB can stand for terabytes."""


@dataclass(frozen=True)
class AudioInfo:
    """The header of an audio file; `subtype` is soundfile's name of the coding, such as PCM_16."""

    sample_rate_hz: int
    channels: int
    samples: int
    subtype: str

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.samples / self.sample_rate_hz


def read_info(path: Path) -> AudioInfo:
    """Reads the header of an audio file.

    Raises:
        DataError: the file is missing, empty, unreadable, holds no samples, or has a sample rate that audio never has.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise DataError(f"{path}: is missing")
        if path.stat().st_size == 0:
            raise DataError(f"{path}: is empty (0 bytes)")
        with open(path, "rb"):  # first, because soundfile reports every system error as "System error"
            info = soundfile.info(str(path))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise DataError(f"{path}: is not readable audio: {error}") from error
    if info.frames <= 0:
        raise DataError(f"{path}: holds no samples")
    if not RATES_HZ[0] <= info.samplerate <= RATES_HZ[1]:
        raise DataError(f"{path}: has a sample rate of {info.samplerate} Hz; it must be from 1 kHz to 1 MHz")
    if info.format in ("WAV", "WAVEX"):
        _check_wav_length(path)
    return AudioInfo(info.samplerate, info.channels, info.frames, info.subtype)


def read_audio(path: Path, sample_rate_hz: int = SAMPLE_RATE_HZ) -> np.ndarray:
    """Reads audio as mono float32 at the requested sample rate.

    Averages the channels and resamples other rates with soxr (high quality).

    Returns:
        (samples,) in [-1, 1].

    Raises:
        DataError: as `read_info`, a sample is not finite, or there are more than MOST_SAMPLES.
    """
    return load_audio(path, sample_rate_hz)[0]


def load_audio(path: Path, sample_rate_hz: int = SAMPLE_RATE_HZ) -> tuple[np.ndarray, AudioInfo]:
    """Reads audio as `read_audio` does, and returns it with its header."""
    info = read_info(path)
    check_length(path, info, info.samples)
    blocks, left = [], info.samples
    try:
        # In blocks, so that a long recording is in memory with one channel only.
        size = max(_BLOCK // info.channels, 1)
        for block in soundfile.blocks(str(path), size, dtype="float32", always_2d=True):
            blocks.append(_mix(block))
            left -= len(block)
            if left < 0:
                break
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise DataError(f"{path}: cannot be decoded: {error}") from error
    mono = np.concatenate(blocks) if blocks else np.empty(0, np.float32)
    if left != 0:
        more = " or more" if left < 0 else ""
        raise DataError(f"{path}: {len(mono)}{more} samples are readable, but the header promises {info.samples}")
    if not np.isfinite(mono).all():
        raise DataError(f"{path}: holds samples that are not finite (NaN or infinite)")
    if info.sample_rate_hz != sample_rate_hz:
        mono = soxr.resample(mono, info.sample_rate_hz, sample_rate_hz)
    return mono, info


def check_length(path: Path, info: AudioInfo, samples: int) -> None:
    """Refuses to hold more than MOST_SAMPLES in memory, as they are or at SAMPLE_RATE_HZ.

    Raises:
        DataError: there are more.
    """
    samples = max(samples, samples * SAMPLE_RATE_HZ // info.sample_rate_hz)
    if samples > MOST_SAMPLES:
        raise DataError(
            f"{path}: {samples} samples at once are more than {MOST_SAMPLES}; cut the recording (predict: --window)"
        )


def _mix(samples: np.ndarray) -> np.ndarray:
    """Averages the channels: (samples, channels) to (samples,)."""
    return samples.mean(axis=1) if samples.shape[1] > 1 else samples[:, 0]


def _check_wav_length(path: Path) -> None:
    """Checks the length of the RIFF data chunk against the file size, which libsndfile does not."""
    size = path.stat().st_size
    with open(path, "rb") as stream:
        if stream.read(4) != b"RIFF":
            return
        stream.seek(12)
        while len(head := stream.read(8)) == 8:
            length = int.from_bytes(head[4:], "little")
            if head[:4] == b"data":
                # 0 and 0xFFFFFFFF: written by a program that streamed and did not know the length.
                if length not in (0, 0xFFFFFFFF) and stream.tell() + length > size:
                    there = size - stream.tell()
                    raise DataError(
                        f"{path}: is truncated: the header promises {length} bytes of audio, the file has {there}"
                    )
                return
            stream.seek(length + length % 2, 1)  # chunks are padded to an even length
