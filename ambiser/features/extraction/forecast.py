"""Estimates the cost of an extraction before it starts: disk, free disk, and time from a short trial."""

import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ambiser.config.schema import SpeechFeatures
from ambiser.errors import DataError
from ambiser.features.extraction.shard_work import Facts
from ambiser.features.extraction.shards import Shard
from ambiser.features.extraction.stored import UPSTREAM_RECORD
from ambiser.features.upstreams.prosody import NAMES
from ambiser.io.console import format_duration, log
from ambiser.io.files import write_json

_SPARE_BYTES = 50_000_000
_ENTRY_BYTES = 100  # name, header and scp line of an utterance
# Utterances of the trial: enough to estimate the time within a third, few enough to take seconds.
_TRIED = 5
_TRIED_ON_GPU = 64
SHORT_S = 10  # a second worker would import PyTorch and load the model about as long


def choose_trial(shards: Sequence[Shard], durations_s: Mapping[str, float | str], *, on_gpu: bool) -> list[Path]:
    """Returns the audio of a few utterances at evenly spaced ranks of duration; none if there are too few utterances.

    Args:
        shards: the shards to extract.
        durations_s: by utterance.
        on_gpu: a GPU needs more utterances to fill its batches.
    """
    sources = {utt: path for shard in shards for utt, path in shard.sources.items() if utt in durations_s}
    utts = sorted(sources, key=lambda utt: (float(durations_s[utt]), utt))
    wanted = _TRIED_ON_GPU if on_gpu else _TRIED
    if len(utts) < 2 * wanted:
        return []
    return [sources[utts[(2 * number + 1) * len(utts) // (2 * wanted)]] for number in range(wanted)]


@dataclass(frozen=True)
class Forecast:
    """Logs the cost of an extraction, and stops it when the disk is too small.

    Attributes:
        shards: the shards to extract.
        durations_s: by utterance.
        speech: the settings.
        folder: where the features go.
        kept: number of shards that are done already.
        processes: number of workers without a GPU.
    """

    shards: Sequence[Shard]
    durations_s: Mapping[str, float | str]
    speech: SpeechFeatures
    folder: Path
    kept: int
    processes: int

    def __call__(self, facts: Facts) -> int:
        """Logs the estimate once the first worker has loaded the upstream.

        Returns:
            The number of workers: 1 on a GPU, and where more would take longer to start than they save.

        Raises:
            DataError: the features do not fit on the disk.
        """
        write_json(self.folder / UPSTREAM_RECORD, {"layers": facts.layers, "dim": facts.dim})
        needed, free = self.needed_bytes(facts), shutil.disk_usage(self.folder).free
        log.info("%s", self._describe_cost(facts, needed, free))
        log.info("%s", _describe_precision(facts, self.speech))
        if needed + _SPARE_BYTES > free:
            raise DataError(
                f"{self.folder}: the features need {_size(needed)} plus {_size(_SPARE_BYTES)} in reserve, "
                f"{_size(free)} are free; use another --dump_dir or free some space"
            )
        return self._workers(facts)

    def needed_bytes(self, facts: Facts) -> int:
        """Returns the disk space that the features take."""
        utterances = sum(len(shard.sources) for shard in self.shards)
        columns = facts.dim * (1 if self.speech.form == "frames" else facts.layers)
        if self.speech.form == "pooled":
            rows = utterances * (2 if self.speech.statistics == "mean_std" else 1)
            columns += self.speech.prosody * facts.layers * len(NAMES)
        else:
            rows = math.ceil(self._seconds() * facts.frames_per_second)
        return rows * columns * (2 if self.speech.storage == "half" else 4) + _ENTRY_BYTES * utterances

    def _workers(self, facts: Facts) -> int:
        is_short = facts.speed > 0 and self._seconds() < SHORT_S * facts.speed
        return 1 if facts.device == "cuda" or is_short else min(self.processes, len(self.shards))

    def _seconds(self) -> float:
        utts = [utt for shard in self.shards for utt in shard.sources]
        return sum(float(self.durations_s[utt]) for utt in utts if utt in self.durations_s)

    def _describe_cost(self, facts: Facts, needed: int, free: int) -> str:
        utterances, seconds = sum(len(shard.sources) for shard in self.shards), self._seconds()
        return (
            f"{self.speech.upstream} ({facts.layers} layers of {facts.dim}, {self.speech.form}) on {facts.device}: "
            f"{utterances} utterances, {seconds / 3600:.1f} h; needs {_size(needed)} of disk, {_size(free)} are free"
            f"{_time(seconds, facts.speed * self._workers(facts))}"
            f"{f'; {self.kept} shards are done already' if self.kept else ''}"
        )


def _describe_precision(facts: Facts, speech: SpeechFeatures) -> str:
    if speech.precision == "float32":
        return f"{facts.manner}, in float32"
    cosine = f"; cosine of utterance means with float32: at least {facts.cosine:.6f}" if facts.speed else ""
    return f"{facts.manner}, in bfloat16{cosine}"


def _time(seconds: float, speed: float) -> str:
    """Returns the estimated time as text.

    Args:
        seconds: duration of the audio.
        speed: seconds of audio per second; 0 if unknown, which gives no text.
    """
    if speed <= 0:
        return ""
    return f"; takes about {format_duration(max(seconds / speed, 1))} ({speed:.0f} times real time)"


def _size(count: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count / 1e3:.0f} kB"
