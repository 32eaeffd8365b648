"""Reads recordings of any format, rate and number of channels, whole or in windows."""

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from ambiser.errors import DataError, first_line
from ambiser.io.audio import SAMPLE_RATE_HZ, AudioInfo, load_audio, read_info

_NOT_AUDIO = "is not readable audio"  # in the message of `read_info` for a format that soundfile does not know


@dataclass(frozen=True)
class Window:
    """A span of a recording: start and end in seconds, and its mono waveform (samples,) at 16 kHz."""

    start_s: float
    end_s: float
    wav: np.ndarray


@dataclass(frozen=True)
class Cutting:
    """How a recording is read.

    Attributes:
        window_s: length of a window; 0 takes a recording as one utterance.
        hop_s: from the start of one window to the next.
        channel: the channel to use, from 1; 0 averages all.
    """

    window_s: float = 0.0
    hop_s: float = 0.0
    channel: int = 0

    def __str__(self) -> str:
        """Describes the cutting in the output, where rows of one file must agree in it."""
        hop_s = self.hop_s or self.window_s
        cut = f"window {self.window_s:g} s, hop {hop_s:g} s" if self.window_s > 0 else "whole"
        return f"{cut}, channel {self.channel}" if self.channel else cut


def to_mono_16k(wav: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Returns a waveform as stage 2 reads it: channels averaged, float32, 16 kHz.

    Args:
        wav: (samples,) or (samples, channels); integers are scaled by the range of their type.
        sample_rate_hz: its rate, at least 1.

    Raises:
        DataError: it is empty, has another shape, or a sample is not finite.
    """
    wav = np.asarray(wav)
    if wav.ndim not in (1, 2) or wav.size == 0:
        raise DataError(f"wav: must be (samples,) or (samples, channels) with samples, got shape {wav.shape}")
    if sample_rate_hz < 1:
        raise DataError(f"sample_rate_hz: must be at least 1, got {sample_rate_hz}")
    scale = -float(np.iinfo(wav.dtype).min) if np.issubdtype(wav.dtype, np.signedinteger) else 1.0
    wav = wav.astype(np.float32) / np.float32(scale)
    return _resample(wav[:, None] if wav.ndim == 1 else wav, sample_rate_hz, 0, "wav")


def read_windows(path: Path, cutting: Cutting) -> Iterator[Window]:
    """Yields the windows of a recording, one at a time, so that its length does not bound the memory.

    The last window ends with the recording and may be shorter. Formats that soundfile does not read are decoded by
    ffmpeg if it is installed.

    Raises:
        DataError: the file is missing, unreadable or truncated, has no such channel, or a sample is not finite.
    """
    with _decoded(path) as readable:
        try:
            info = read_info(readable)
        except DataError as error:
            raise DataError(str(error).replace(str(readable), str(path))) from error
        if cutting.channel > info.channels:
            raise DataError(f"{path}: has {info.channels} channels, so there is no --channel {cutting.channel}")
        if cutting.window_s <= 0 and cutting.channel == 0:
            yield Window(0.0, info.duration_s, load_audio(readable)[0])
        else:
            yield from _cut(path, readable, info, cutting)


def _cut(path: Path, readable: Path, info: AudioInfo, cutting: Cutting) -> Iterator[Window]:
    rate = info.sample_rate_hz
    window = info.samples if cutting.window_s <= 0 else max(round(cutting.window_s * rate), 1)
    hop = window if cutting.hop_s <= 0 else max(round(cutting.hop_s * rate), 1)
    with soundfile.SoundFile(str(readable)) as stream:
        for start in range(0, max(info.samples - window, 0) + hop, hop):
            if start >= info.samples:
                return
            try:
                stream.seek(start)
                samples = stream.read(min(window, info.samples - start), dtype="float32", always_2d=True)
            except (soundfile.SoundFileError, RuntimeError) as error:
                raise DataError(f"{path}: cannot be decoded at {start / rate:.1f} s: {error}") from error
            if len(samples) == 0:
                raise DataError(
                    f"{path}: ends at {start / rate:.1f} s, but its header promises {info.duration_s:.1f} s"
                )
            mono = _resample(samples, rate, cutting.channel, str(path))
            yield Window(start / rate, (start + len(samples)) / rate, mono)
            if start + window >= info.samples:
                return


def _resample(samples: np.ndarray, rate: int, channel: int, name: str) -> np.ndarray:
    """Returns one channel, or the mean of all, of (samples, channels) at 16 kHz."""
    mono = samples[:, channel - 1] if channel else samples.mean(axis=1) if samples.shape[1] > 1 else samples[:, 0]
    if not np.isfinite(mono).all():
        raise DataError(f"{name}: holds samples that are not finite (NaN or infinite)")
    return np.ascontiguousarray(mono) if rate == SAMPLE_RATE_HZ else soxr.resample(mono, rate, SAMPLE_RATE_HZ)


@contextlib.contextmanager
def _decoded(path: Path) -> Iterator[Path]:
    """Yields a file that soundfile reads: the recording itself, or a temporary wav made by ffmpeg."""
    try:
        read_info(path)
    except DataError as error:
        if _NOT_AUDIO not in str(error):
            raise
        program = shutil.which("ffmpeg")
        if program is None:
            raise DataError(f"{path}: {_NOT_AUDIO} for soundfile; convert it to wav, or install ffmpeg") from error
        with tempfile.TemporaryDirectory(prefix="ambiser-") as folder:
            wav = Path(folder) / "decoded.wav"
            # "file:" keeps a name with a colon or a leading dash from being read as a protocol or an option.
            words = ["-nostdin", "-v", "error", "-i", f"file:{path}", "-map", "0:a:0", "-c:a", "pcm_f32le"]
            done = subprocess.run(
                [program, *words, "-rf64", "auto", str(wav)], capture_output=True, text=True, check=False
            )
            if done.returncode != 0 or not wav.is_file():
                reason = first_line(ValueError(done.stderr))
                raise DataError(f"{path}: {_NOT_AUDIO}, for ffmpeg neither ({reason})") from error
            yield wav
        return
    yield path
