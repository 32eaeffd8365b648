"""Cuts utterances out of recordings, or one channel out of a file, into wav files of their own (stage 1)."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from ambiser.corpora.corpus import Corpus, Utterance
from ambiser.corpora.input_digests import Probe, probe_file
from ambiser.errors import DataError
from ambiser.io.audio import AudioInfo, read_info
from ambiser.io.console import log, progress
from ambiser.io.files import atomic_open
from ambiser.io.threads import in_threads

OVERSHOOT_S = 0.5
"""A segment may end this long after its recording, as in Kaldi's extract-segments; it is then shortened."""
_BYTES = {"PCM_U8": 1, "PCM_S8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}
_KEPT = {"PCM_U8": "PCM_U8", "PCM_S8": "PCM_16", "PCM_24": "PCM_24", "PCM_32": "PCM_32"} | dict.fromkeys(
    ("FLOAT", "DOUBLE"), "FLOAT"
)

Span = tuple[int, int, int | None]
"""First sample, sample after the last, and channel."""


def cut_audio(corpus: Corpus, folder: Path) -> dict[Path, Probe]:
    """Writes a wav file for every utterance with a cut, unless the corpus has faults.

    A cut keeps the sample rate, and the resolution if wav has it (otherwise 16 bits). What cannot be cut is a fault in
    the findings.

    Args:
        corpus: the utterances; `wav` is the recording and becomes the new file.
        folder: for the new files; emptied first.

    Returns:
        The probe of every recording.

    Raises:
        DataError: the disk has too little space.
    """
    by_recording: dict[Path, list[Utterance]] = {}
    for u in corpus.utterances:
        if u.utt in corpus.cuts:
            by_recording.setdefault(u.wav, []).append(u)
    if not by_recording:
        return {}
    infos = dict(zip(by_recording, in_threads(_inspect, by_recording), strict=True))
    plan = {wav: _plan(wav, by_recording[wav], info, corpus) for wav, info in infos.items() if info is not None}
    if corpus.findings.faults or (None in infos.values() and not corpus.findings.allow_incomplete):
        return {}
    _check_space(plan, infos, folder)
    shutil.rmtree(folder, ignore_errors=True)
    log.info("cutting %d utterances from %d recordings", sum(map(len, plan.values())), len(plan))
    jobs = in_threads(_cut_recording, ((wav, spans, folder) for wav, spans in plan.items()), batch=1)
    for _ in progress(jobs, "cutting recordings", total=len(plan)):
        pass
    done = {utt for spans in plan.values() for utt in spans}
    kept = [u for u in corpus.utterances if u.utt not in corpus.findings.left_out]
    corpus.utterances = [replace(u, wav=cut_path(folder, u.utt)) if u.utt in done else u for u in kept]
    return {wav: probe_file(wav) for wav, spans in plan.items() if spans}


def cut_path(folder: Path, utt: str) -> Path:
    """Returns the file of an utterance that was cut."""
    return folder / f"{utt.replace('/', '%2F')}.wav"


def _inspect(wav: Path) -> AudioInfo | None:
    """Returns the header of a recording; None if it has none, which is reported with the headers of all audio."""
    try:
        return read_info(wav)
    except DataError:
        return None


def _plan(wav: Path, utterances: list[Utterance], info: AudioInfo, corpus: Corpus) -> dict[str, Span]:
    """Returns the span of every utterance of a recording that can be cut."""
    findings = corpus.findings
    spans: dict[str, Span] = {}
    for u in utterances:
        cut = corpus.cuts[u.utt]
        end_s = info.duration_s if cut.end_s is None else cut.end_s
        if end_s > info.duration_s:
            if end_s > info.duration_s + OVERSHOOT_S:
                lengths = f"{end_s:g} s of {info.duration_s:.2f} s"
                findings.leave_out(u.utt, "its segment ends after its recording", wav, lengths)
                continue
            findings.warn("segments that end after their recording (shortened)", where=u.utt)
        if cut.channel is not None and cut.channel >= info.channels:
            findings.leave_out(u.utt, "its channel is not there", wav, f"{cut.channel + 1} of {info.channels}")
            continue
        first, last = (round(s * info.sample_rate_hz) for s in (cut.start_s, min(end_s, info.duration_s)))
        if last <= first:
            findings.leave_out(u.utt, "its segment holds no sample", wav)
            continue
        spans[u.utt] = (first, last, cut.channel)
    return spans


def _check_space(plan: Mapping[Path, Mapping[str, Span]], infos: Mapping[Path, AudioInfo | None], folder: Path) -> None:
    """Raises DataError if the disk has too little space for the cuts."""
    needed = 0
    for wav, spans in plan.items():
        if spans:
            info = infos[wav]
            per_sample = _BYTES[_KEPT.get(info.subtype, "PCM_16")]
            needed += sum((b - a) * per_sample * (1 if c is not None else info.channels) for a, b, c in spans.values())
    place = next(p for p in (folder, *folder.resolve().parents) if p.exists())
    free = shutil.disk_usage(place).free
    if needed > free:
        raise DataError(
            f"{folder}: cutting the recordings needs {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free; free "
            "some space, or use another --data_dir"
        )


def _cut_recording(job: tuple[Path, Mapping[str, Span], Path]) -> None:
    """Writes the utterances of a recording."""
    wav, spans, folder = job
    if not spans:
        return
    try:
        with soundfile.SoundFile(str(wav)) as source:
            for utt, (first, last, channel) in sorted(spans.items(), key=lambda item: item[1][0]):
                source.seek(first)
                samples = _read(source, last - first)  # (samples, channels)
                if len(samples) != last - first:
                    raise DataError(f"{wav}: cannot be decoded: {len(samples)} of {last - first} samples for {utt}")
                chosen = samples if channel is None else samples[:, channel]
                subtype = _KEPT.get(source.subtype, "PCM_16")
                with atomic_open(cut_path(folder, utt), "wb") as stream:
                    soundfile.write(stream, chosen, source.samplerate, format="WAV", subtype=subtype)
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise DataError(f"{wav}: cannot be decoded: {error}") from error


def _read(source: soundfile.SoundFile, length: int) -> np.ndarray:
    """Reads samples in the type that keeps them exactly."""
    exact = {"PCM_16": "int16", "PCM_U8": "int16", "PCM_24": "int32", "PCM_32": "int32"}
    return source.read(length, dtype=exact.get(source.subtype, "float32"), always_2d=True)
