"""Does the work of one speech worker: loads the upstream, measures its speed, and makes shards."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ambiser.config.schema import SpeechFeatures
from ambiser.errors import DataError
from ambiser.features.extraction.fingerprints import Fingerprint, fingerprint
from ambiser.features.extraction.shards import Shard, open_shard
from ambiser.features.extraction.workers import At
from ambiser.features.upstreams.chunks import plan_batches
from ambiser.features.upstreams.device import find_device
from ambiser.features.upstreams.pooling import append_prosody, pool_on_device, reduce_hidden_states
from ambiser.io.audio import SAMPLE_RATE_HZ, AudioInfo, load_audio, read_info


@dataclass(frozen=True)
class Facts:
    """Facts about an upstream, reported by the first worker.

    Attributes:
        layers: number of hidden states.
        dim: their width.
        frames_per_second: frames per second of audio.
        device: "cpu" or "cuda".
        manner: how it takes utterances (one at a time, in batches), as text.
        speed: seconds of audio per second, on the utterances of the trial; 0 without a trial.
        cosine: smallest cosine between utterance means in bfloat16 and float32; 1 for float32.
    """

    layers: int
    dim: int
    frames_per_second: float
    device: str
    manner: str = ""
    speed: float = 0.0
    cosine: float = 1.0


@dataclass(frozen=True)
class Event:
    """An utterance is done, or failed with a fault; the last one of a sound shard carries the shard."""

    utt: str
    fault: str = ""
    finished: Shard | None = None


@dataclass(frozen=True)
class _Audio:
    """The audio of an utterance, or the fault that kept it from being read."""

    utt: str
    wav: np.ndarray | None = None
    info: AudioInfo | None = None
    source: Fingerprint | None = None
    fault: str = ""


def make_worker(
    argument: tuple[SpeechFeatures, Path, Sequence[Path]],
) -> tuple[Callable[[Shard], Iterator[Event | At]], Facts]:
    """Loads the upstream in a worker process.

    Args:
        argument: the settings, the folder of the features, and the audio of the trial (empty: no trial).
    """
    import torch

    from ambiser.features.upstreams.upstream import load_upstream

    speech, folder, trial = argument
    # One thread: another order of summation would change the bytes.
    torch.set_num_threads(1)
    upstream = load_upstream(speech, find_device())
    second = np.random.default_rng(0).standard_normal(SAMPLE_RATE_HZ).astype(np.float32) * 0.1
    hidden = upstream.extract(second)
    reduce_hidden_states(hidden, speech)
    speed, cosine = _try(upstream, trial, speech)
    facts = Facts(upstream.layers, upstream.dim, float(len(hidden[0])), upstream.device, upstream.manner, speed, cosine)

    def work(shard: Shard) -> Iterator[Event | At]:
        return extract_shard(shard, upstream, speech, folder)

    return work, facts


def extract_shard(shard: Shard, upstream: object, speech: SpeechFeatures, folder: Path) -> Iterator[Event | At]:
    """Yields an event per utterance; writes the shard, without the faulty ones, before the last event."""
    sound, held = True, None
    with open_shard(folder, shard, half=speech.storage == "half") as writer:
        for batch in _read_ahead(shard.sources, upstream):
            yield At(batch[0].utt)
            for audio, result in _extract(batch, upstream, speech):
                fault = audio.fault
                if isinstance(result, Exception):
                    path = shard.sources[audio.utt]
                    fault = str(result) if str(path) in str(result) else f"{path}: {result}"
                elif result is not None:
                    matrix = append_prosody(result, audio.wav) if speech.prosody else result
                    writer.add(audio.utt, matrix, audio.source, _notes(audio, upstream))
                sound = sound and not fault
                if held is not None:
                    yield held
                held = Event(audio.utt, fault)
    yield Event(held.utt, held.fault, shard if sound else None)


def _read_ahead(sources: Mapping[str, Path], upstream: object) -> Iterator[list[_Audio]]:
    """Yields the audio of each batch while a thread reads the next one."""
    batches = [[utt] for utt in sources]
    if upstream.batch_samples:
        batches = _plan({utt: _samples(path) for utt, path in sources.items()}, upstream)

    def read(batch: list[str]) -> list[_Audio]:
        return [_read(utt, sources[utt]) for utt in batch]

    with ThreadPoolExecutor(1) as reader:
        ahead = reader.submit(read, batches[0])
        for following in [*batches[1:], None]:
            batch = ahead.result()
            if following is not None:
                ahead = reader.submit(read, following)
            yield batch


def _plan(samples: Mapping[str, int], upstream: object) -> list[list[str]]:
    """Returns batches; an utterance that is cut into chunks is a batch of its own."""
    long = [utt for utt, count in samples.items() if upstream.is_long(count)]
    others = {utt: count for utt, count in samples.items() if not upstream.is_long(count)}
    return [*([utt] for utt in long), *plan_batches(others, upstream.batch_samples)]


def _samples(path: Path) -> int:
    """Returns the length at the model's rate from the header; 0 if it is unreadable, which `_read` reports later."""
    try:
        return round(read_info(path).duration_s * SAMPLE_RATE_HZ)
    except (DataError, OSError):
        return 0


def _read(utt: str, path: Path) -> _Audio:
    try:
        wav, info = load_audio(path)
        return _Audio(utt, wav, info, fingerprint(path))
    except (DataError, OSError) as error:
        return _Audio(utt, fault=str(error) if str(path) in str(error) else f"{path}: {error}")


def _extract(
    batch: Sequence[_Audio], upstream: object, speech: SpeechFeatures
) -> Iterator[tuple[_Audio, np.ndarray | Exception | None]]:
    """Yields each utterance with its matrix, with the error, or with None if its audio was unreadable."""
    read = [audio for audio in batch if audio.wav is not None]
    yield from ((audio, None) for audio in batch if audio.wav is None)
    try:
        matrices = feature_matrices([audio.wav for audio in read], upstream, speech)
        yield from zip(read, matrices, strict=True)
    except DataError as error:
        if len(read) == 1:
            yield read[0], error
            return
        # Retry one by one to isolate the failure.
        for audio in read:
            yield from _extract([audio], upstream, speech)


def feature_matrices(wavs: Sequence[np.ndarray], upstream: object, speech: SpeechFeatures) -> list[np.ndarray]:
    """Returns the matrix of each utterance of a batch as it is stored, before prosody.

    Args:
        wavs: (samples,) each, at 16 kHz.
        upstream: an `Upstream`.
        speech: form and statistics.

    Raises:
        DataError: the upstream cannot take one of them.
    """
    if not wavs:
        return []
    if upstream.device == "cuda" and speech.form == "pooled":
        return upstream.extract_batch(wavs, lambda states: pool_on_device(states, speech))
    return [reduce_hidden_states(hidden, speech) for hidden in upstream.extract_batch(wavs)]


def waveform_notes(wav: np.ndarray, upstream: object) -> Iterator[str]:
    """Yields notes about an unusual waveform (samples,) at 16 kHz, as an `Upstream` takes it."""
    if upstream.is_short(len(wav)):
        yield "too short for the model and padded with zeros"
    if upstream.is_long(len(wav)):
        yield f"longer than {upstream.longest_samples / SAMPLE_RATE_HZ:g} s and cut into overlapping chunks"
    if wav.min() == wav.max():
        yield "silent"


def _notes(audio: _Audio, upstream: object) -> Iterator[str]:
    """Yields notes about unusual audio."""
    yield from waveform_notes(audio.wav, upstream)
    if audio.info.sample_rate_hz != SAMPLE_RATE_HZ:
        yield f"resampled to {SAMPLE_RATE_HZ} Hz"
    if audio.info.channels > 1:
        yield "averaged over their channels"


def _try(upstream: object, trial: Sequence[Path], speech: SpeechFeatures) -> tuple[float, float]:
    """Returns the speed on the utterances of the trial, and the smallest cosine between bfloat16 and float32."""
    read = [audio for audio in (_read(path.name, path) for path in trial) if audio.wav is not None]
    samples = {str(number): len(audio.wav) for number, audio in enumerate(read)}
    batches = _plan(samples, upstream) if upstream.batch_samples else [[utt] for utt in samples]
    start = time.perf_counter()
    for batch in batches:
        for _ in _extract([read[int(utt)] for utt in batch], upstream, speech):
            pass
    speed = sum(samples.values()) / SAMPLE_RATE_HZ / max(time.perf_counter() - start, 1e-9)
    cosine = 1.0
    if upstream.precision == "bfloat16":
        cosine = min(
            (_cosine(upstream, audio.wav) for audio in read if not upstream.is_long(len(audio.wav))), default=1
        )
    return speed, cosine


def _cosine(upstream: object, wav: np.ndarray) -> float:
    """Returns the smallest cosine over all layers between the mean frames in bfloat16 and float32."""
    half = [states.mean(axis=0) for states in upstream.extract(wav)]
    with upstream.in_float32():
        full = [states.mean(axis=0) for states in upstream.extract(wav)]
    return min(float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)) for a, b in zip(half, full, strict=True))
