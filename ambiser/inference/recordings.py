"""Reads recordings of any format, rate and number of channels, whole or in windows."""

import contextlib
import math
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from ambiser.errors import DataError
from ambiser.inference.speech_detector import SpeechDetector
from ambiser.io.audio import SAMPLE_RATE_HZ, AudioInfo, check_length, load_audio, read_info
from ambiser.io.ffmpeg import TOO_LONG, decode, find_ffmpeg

_LONGEST_SEGMENT_S = 30
_BLOCK_S = 10  # read at a time when speech is searched
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
        speech_only: leave out pauses, as a `SpeechDetector` finds them; cut speech into windows, or without a length of
            a window into equal parts of at most 30 s.
    """

    window_s: float = 0.0
    hop_s: float = 0.0
    channel: int = 0
    speech_only: bool = False

    def __str__(self) -> str:
        """Describes the cutting in the output, where rows of one file must agree in it."""
        hop_s = self.hop_s or self.window_s
        cut = f"window {self.window_s:g} s, hop {hop_s:g} s" if self.window_s > 0 else "whole"
        cut = f"speech segments, {cut}" if self.speech_only else cut
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


def read_windows(path: Path, cutting: Cutting, detector: SpeechDetector | None = None) -> Iterator[Window]:
    """Yields the windows of a recording, one at a time, so that its length does not bound the memory.

    The last window ends with the recording and may be shorter. Formats that soundfile does not read are decoded by
    ffmpeg if it is installed.

    Args:
        path: the recording.
        cutting: windows and channel.
        detector: needed for `Cutting.speech_only`, which reads the recording twice.

    Raises:
        DataError: the file is missing, unreadable or truncated, has no such channel or no speech, or a sample is not
            finite.
    """
    with _decoded(path) as readable:
        try:
            info = read_info(readable)
        except DataError as error:
            raise DataError(str(error).replace(str(readable), str(path))) from error
        if cutting.channel > info.channels:
            raise DataError(f"{path}: has {info.channels} channels, so there is no --channel {cutting.channel}")
        if cutting.window_s <= 0 and cutting.channel == 0 and not cutting.speech_only:
            yield Window(0.0, info.duration_s, load_audio(readable)[0])
        else:
            spans = _spans(path, readable, info, cutting, detector)
            yield from _read_spans(path, readable, info, cutting, spans)


def _spans(
    path: Path, readable: Path, info: AudioInfo, cutting: Cutting, detector: SpeechDetector | None
) -> Iterator[tuple[int, int]]:
    """Yields start and end of each window in samples."""
    rate, regions = info.sample_rate_hz, [(0, info.samples)]
    if cutting.speech_only:
        found = detector.segments(_stream_16k(path, readable, info, cutting.channel))
        regions = [(round(start_s * rate), min(round(end_s * rate), info.samples)) for start_s, end_s in found]
        if not regions:
            raise DataError(f"{path}: holds no speech that --vad finds; leave out --vad to predict all of it")
    for begin, end in regions:
        window, hop = round(cutting.window_s * rate), round(cutting.hop_s * rate)
        if cutting.window_s <= 0:
            parts = math.ceil((end - begin) / (_LONGEST_SEGMENT_S * rate)) if cutting.speech_only else 1
            window, hop = math.ceil((end - begin) / parts), 0
        window = max(window, 1)
        for start in range(begin, end, max(hop, 1) if hop > 0 else window):
            yield start, min(start + window, end)
            if start + window >= end:
                break


def _read_spans(
    path: Path, readable: Path, info: AudioInfo, cutting: Cutting, spans: Iterable[tuple[int, int]]
) -> Iterator[Window]:
    rate = info.sample_rate_hz
    with soundfile.SoundFile(str(readable)) as stream:
        for start, end in spans:
            check_length(path, info, (end - start) * info.channels)
            try:
                stream.seek(start)
                samples = stream.read(end - start, dtype="float32", always_2d=True)
            except (soundfile.SoundFileError, RuntimeError) as error:
                raise DataError(f"{path}: cannot be decoded at {start / rate:.1f} s: {error}") from error
            if len(samples) == 0:
                raise DataError(
                    f"{path}: ends at {start / rate:.1f} s, but its header promises {info.duration_s:.1f} s"
                )
            mono = _resample(samples, rate, cutting.channel, str(path))
            yield Window(start / rate, (start + len(samples)) / rate, mono)


def _stream_16k(path: Path, readable: Path, info: AudioInfo, channel: int) -> Iterator[np.ndarray]:
    """Yields consecutive parts (samples,) of a recording at 16 kHz."""
    check_length(path, info, _BLOCK_S * info.sample_rate_hz * info.channels)
    resampler = soxr.ResampleStream(info.sample_rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32")
    try:
        for block in soundfile.blocks(str(readable), _BLOCK_S * info.sample_rate_hz, dtype="float32", always_2d=True):
            yield resampler.resample_chunk(_mono(block, channel, str(path)))
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise DataError(f"{path}: cannot be decoded: {error}") from error
    yield resampler.resample_chunk(np.empty(0, np.float32), last=True)


def _resample(samples: np.ndarray, rate: int, channel: int, name: str) -> np.ndarray:
    """Returns one channel, or the mean of all, of (samples, channels) at 16 kHz."""
    mono = _mono(samples, channel, name)
    return mono if rate == SAMPLE_RATE_HZ else soxr.resample(mono, rate, SAMPLE_RATE_HZ)


def _mono(samples: np.ndarray, channel: int, name: str) -> np.ndarray:
    """Returns one channel, or the mean of all, of (samples, channels)."""
    mono = samples[:, channel - 1] if channel else samples.mean(axis=1) if samples.shape[1] > 1 else samples[:, 0]
    if not np.isfinite(mono).all():
        raise DataError(f"{name}: holds samples that are not finite (NaN or infinite)")
    return np.ascontiguousarray(mono)


@contextlib.contextmanager
def _decoded(path: Path) -> Iterator[Path]:
    """Yields a file that soundfile reads: the recording itself, or a temporary wav made by ffmpeg."""
    try:
        read_info(path)
    except DataError as error:
        if _NOT_AUDIO not in str(error):
            raise
        program = find_ffmpeg()
        if program is None:
            raise DataError(f"{path}: {_NOT_AUDIO} for soundfile; convert it to wav, or install ffmpeg") from error
        with tempfile.TemporaryDirectory(prefix="ambiser-") as folder:
            wav = Path(folder) / "decoded.wav"
            reason = decode(program, path, wav, ("-c:a", "pcm_f32le", "-rf64", "auto"))
            if reason == TOO_LONG:
                raise DataError(f"{path}: {TOO_LONG}") from error
            if reason:
                raise DataError(f"{path}: {_NOT_AUDIO}, for ffmpeg neither ({reason.splitlines()[0]})") from error
            yield wav
        return
    yield path
