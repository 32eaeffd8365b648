"""Reads the header of every wav, many at a time, and finds audio files that are byte-identical."""

import hashlib
import os
import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ambiser.corpora.corpus import Corpus, Utterance
from ambiser.corpora.findings import Findings
from ambiser.corpora.input_digests import Probe, probe_audio
from ambiser.corpora.near_misses import explain_content, find_near_miss
from ambiser.errors import DataError
from ambiser.io.audio import RATES_HZ, SAMPLE_RATE_HZ, AudioInfo, read_audio, read_info
from ambiser.io.console import progress
from ambiser.io.threads import in_threads

_CHUNK_BYTES = 2**20
_PLAIN_HEADER = struct.Struct("<4sI8sIHHIIHH4sI")  # RIFF, 16 bytes of fmt, data: 44 bytes
_PLAIN_SUBTYPES = {8: "PCM_U8", 16: "PCM_16", 24: "PCM_24", 32: "PCM_32"}
_FLOAT_SUBTYPES = ("FLOAT", "DOUBLE")
_TOLERANCE_S = 0.25


@dataclass(frozen=True)
class Measured:
    """The utterances with readable audio, and what their headers say.

    Attributes:
        twins: a content key for audio files that are byte-identical to another one.
        probes: sizes and checksums.
        formats: by kind (sample rate, channels, format), the number of utterances per value.
    """

    kept: list[Utterance]
    durations_s: dict[str, float]
    twins: dict[str, str]
    probes: dict[str, Probe]
    formats: dict[str, dict[str, int]]


def measure_audio(corpus: Corpus) -> Measured:
    """Reads the header of every wav; unreadable ones are faults, other rates and channels are counted."""
    findings = corpus.findings
    kept, durations_s, probes = [], {}, {}
    kinds: Counter[tuple[int, int, str]] = Counter()
    results = in_threads(_look, [u.wav for u in corpus.utterances])
    rows = zip(corpus.utterances, results, strict=True)
    for u, (info, probe, fault) in progress(rows, "reading audio headers", total=len(corpus.utterances)):
        if info is None:
            _add_fault(u, fault, findings)
            continue
        if info.channels != 1:
            findings.warn("audio files with several channels (averaged when read)")
        if info.sample_rate_hz != SAMPLE_RATE_HZ:
            findings.warn(f"audio files at another rate than {SAMPLE_RATE_HZ} Hz (resampled when read)")
        if u.expected_s and abs(info.duration_s - u.expected_s) > _TOLERANCE_S:
            lengths = f"{info.duration_s:.2f} s instead of {u.expected_s:.2f} s"
            findings.warn("audio files whose length contradicts the labels' times", where=f"{u.wav}: {lengths}")
        kept.append(u)
        durations_s[u.utt] = info.duration_s
        probes[u.utt] = probe
        kinds[info.sample_rate_hz, info.channels, os.path.splitext(u.wav)[1].lower()] += 1
    twins = _find_twins({u.utt: u.wav for u in kept}, probes)
    extra = len(twins) - len(set(twins.values()))
    if extra:
        findings.warn("audio files that are byte-identical to another one", extra)
    return Measured(kept, durations_s, twins, probes, _count_formats(kinds))


def _count_formats(kinds: Mapping[tuple[int, int, str], int]) -> dict[str, dict[str, int]]:
    formats: dict[str, dict[str, int]] = {"sample rate (Hz)": {}, "channels": {}, "format": {}}
    for values, n in sorted(kinds.items()):
        for counts, value in zip(formats.values(), values, strict=True):
            name = str(value).removeprefix(".")
            counts[name] = counts.get(name, 0) + n
    return formats


def _add_fault(u: Utterance, fault: str, findings: Findings) -> None:
    """Adds the fault of an unreadable file, with what it really is or where it is."""
    if fault == "is missing":
        how, found = find_near_miss(u.wav)
        findings.leave_out(u.utt, f"its audio is missing{how and f', but {how}'}", u.wav, found)
    else:
        what = explain_content(u.wav)
        reason, _, detail = fault.partition(": ")
        detail = detail.rpartition(": ")[2]  # without the path, which soundfile repeats
        findings.leave_out(u.utt, f"its audio {f'is {what}' if what else reason}", u.wav, "" if what else detail)


def _look(path: Path) -> tuple[AudioInfo | None, Probe, str]:
    """Returns the header (None if unreadable), a probe of the content, and the fault if there is one."""
    try:
        # Not open(), which takes as long again, for hundreds of thousands of files; a pipe would block.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            head, probe = probe_audio(descriptor)
            info = _read_plain_header(head, probe.size)
        finally:
            os.close(descriptor)
    except (OSError, ValueError):  # ValueError: a name with a zero byte
        info, probe = None, Probe(0, 0)
    try:
        return info or _inspect(path), probe, ""
    except DataError as error:
        return None, probe, str(error).removeprefix(f"{path}: ")


def _read_plain_header(head: bytes, size: int) -> AudioInfo | None:
    """Reads a plain PCM header of 44 bytes; None for anything else, which soundfile then looks at."""
    if len(head) < _PLAIN_HEADER.size:
        return None
    riff, _, wave, fmt_size, coding, channels, rate, _, block, bits, data, length = _PLAIN_HEADER.unpack(head)
    plain = riff == b"RIFF" and wave == b"WAVEfmt " and data == b"data" and (fmt_size, coding) == (16, 1)
    whole = (
        0 < length <= size - _PLAIN_HEADER.size
        and RATES_HZ[0] <= rate <= RATES_HZ[1]
        and block == channels * bits // 8 > 0
    )
    subtype = _PLAIN_SUBTYPES.get(bits, "")
    return AudioInfo(rate, channels, length // block, subtype) if plain and whole and length >= block else None


def _inspect(path: Path) -> AudioInfo:
    """Reads a header; float audio is read as a whole, because only that can hold NaN."""
    info = read_info(path)
    if info.subtype in _FLOAT_SUBTYPES and not np.isfinite(read_audio(path)).all():
        raise DataError(f"{path}: holds samples that are not finite (NaN or infinite)")
    return info


def _find_twins(wavs: dict[str, Path], probes: dict[str, Probe]) -> dict[str, str]:
    """Returns a digest of the content for every wav that has a byte-identical twin.

    Only wavs that agree in size and in a probe of the middle are read as a whole.
    """
    suspects = _of_several(probes, list(wavs))
    digests = dict(zip(suspects, in_threads(_digest, [wavs[utt] for utt in suspects]), strict=True))
    return {utt: digests[utt] for utt in _of_several(digests, suspects)}


def _of_several(key_of: Mapping[str, object], utts: Sequence[str]) -> list[str]:
    """Returns the utterances whose key another one has as well."""
    holders = Counter(key_of[utt] for utt in utts)
    return [utt for utt in utts if holders[key_of[utt]] > 1]


def _digest(path: Path) -> str:
    total = hashlib.sha256()
    try:
        with open(path, "rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                total.update(chunk)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    return total.hexdigest()
