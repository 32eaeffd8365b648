"""What an extraction will cost, told before it begins: disk, free disk, and time by a short trial."""

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ambiser.config.schema import SpeechFeatures
from ambiser.errors import DataError
from ambiser.features.extraction.shard_work import Facts
from ambiser.features.extraction.shards import Shard
from ambiser.features.extraction.stored import UPSTREAM_RECORD
from ambiser.features.upstreams.prosody import NAMES
from ambiser.io.console import log
from ambiser.io.files import write_json

_SPARE_BYTES = 50_000_000
# Utterances of the trial: enough to tell the time to a third, few enough to take seconds.
_TRIED = 5
_TRIED_ON_GPU = 64


def choose_trial(shards: Sequence[Shard], durations_s: Mapping[str, float | str], *, on_gpu: bool) -> list[Path]:
    """Returns the audio of a few utterances whose lengths are spread as those of all; none when there are few.

    Args:
        shards: what is to be extracted.
        durations_s: by utterance.
        on_gpu: a GPU wants more at a time.
    """
    sources = {utt: path for shard in shards for utt, path in shard.sources.items() if utt in durations_s}
    utts = sorted(sources, key=lambda utt: (float(durations_s[utt]), utt))
    wanted = _TRIED_ON_GPU if on_gpu else _TRIED
    if len(utts) < 2 * wanted:
        return []
    return [sources[utts[(2 * number + 1) * len(utts) // (2 * wanted)]] for number in range(wanted)]


def forecaster(
    left: Sequence[Shard],
    durations_s: Mapping[str, float | str],
    speech: SpeechFeatures,
    *,
    folder: Path,
    kept: int,
    processes: int,
) -> Callable[[Facts], int | None]:
    """Returns the function that tells what will be written, and stops when the disk cannot hold it."""

    def tell(facts: Facts) -> int | None:
        utts = [utt for shard in left for utt in shard.sources]
        seconds = sum(float(durations_s[utt]) for utt in utts if utt in durations_s)
        write_json(folder / UPSTREAM_RECORD, {"layers": facts.layers, "dim": facts.dim})
        width = facts.dim * (1 if speech.form == "frames" else facts.layers)
        if speech.form == "pooled":
            rows = len(utts) * (2 if speech.statistics == "mean_std" else 1)
            width += speech.prosody * facts.layers * len(NAMES)
        else:
            rows = math.ceil(seconds * facts.frames_per_second)
        needed = rows * width * (2 if speech.storage == "half" else 4) + 100 * len(utts)
        free = shutil.disk_usage(folder).free
        workers = 1 if facts.device == "cuda" else min(processes, len(left))
        log.info(
            "%s (%d layers of %d, %s) on %s: %d utterances, %.1f h; writes %s, free are %s%s%s",
            speech.upstream,
            facts.layers,
            facts.dim,
            speech.form,
            facts.device,
            len(utts),
            seconds / 3600,
            _size(needed),
            _size(free),
            _time(seconds, facts.speed * workers),
            f"; {kept} shards are done already" if kept else "",
        )
        log.info("%s", _describe(facts, speech))
        if needed + _SPARE_BYTES > free:
            raise DataError(
                f"{folder}: the features need {_size(needed)} and {_size(_SPARE_BYTES)} to spare, "
                f"free are {_size(free)}; give another --dump_dir or make room"
            )
        return 1 if facts.device == "cuda" else None

    return tell


def _describe(facts: Facts, speech: SpeechFeatures) -> str:
    if speech.precision == "float32":
        return f"{facts.manner}, in float32"
    near = f", whose utterance means have a cosine of {facts.cosine:.6f} or more with float32's"
    return f"{facts.manner}, in bfloat16{near if facts.speed else ''}"


def _time(seconds: float, speed: float) -> str:
    """Words for the time that audio takes at a speed (seconds of audio in a second); none when it is not known."""
    if speed <= 0:
        return ""
    takes = seconds / speed
    for unit, size in (("h", 3600), ("min", 60)):
        if takes >= size:
            return f"; takes about {takes / size:.1f} {unit} ({speed:.0f} times real time)"
    return f"; takes about {max(takes, 1):.0f} s ({speed:.0f} times real time)"


def _size(count: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count / 1e3:.0f} kB"
