"""Speech features of a whole corpus: planned in shards, told in advance, extracted by worker processes, resumable."""

import math
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ambiser.config import dump_yaml
from ambiser.config.schema import SpeechFeatures
from ambiser.errors import DataError, UserError
from ambiser.features.fingerprints import fingerprint, weights_digest
from ambiser.features.pooling import means_are_constant, reduce_hidden_states
from ambiser.features.shards import Shard, is_done, join_shards, open_shard, plan_shards, shard_entries
from ambiser.features.store import UPSTREAM_RECORD
from ambiser.features.workers import At, Killed, run_tasks
from ambiser.io.ark import read_matrix
from ambiser.io.audio import SAMPLE_RATE_HZ, AudioInfo, load_audio
from ambiser.io.console import log, progress
from ambiser.io.files import write_json, write_text
from ambiser.io.tables import write_tsv

_SHOWN_FAULTS = 20
_SPARE_BYTES = 50_000_000


@dataclass(frozen=True)
class Facts:
    """What a worker learnt of its upstream."""

    layers: int
    dim: int
    frames_per_second: float
    minimum_samples: int
    device: str


@dataclass(frozen=True)
class Event:
    """An utterance was worked off: with a fault, or as the one that finished its shard."""

    utt: str
    fault: str = ""
    finished: Shard | None = None


def describe_speech(speech: SpeechFeatures) -> dict:
    """Returns all settings that shape the speech features, for the record of their folder."""
    settings = speech.model_dump(mode="json")
    if content := weights_digest(speech.checkpoint):
        settings["checkpoint"] = f"sha256:{content}"  # where it stands does not shape its features
    return {"speech_features": settings}


def extract_speech(
    wavs: Mapping[str, str],
    durations_s: Mapping[str, float | str],
    speech: SpeechFeatures,
    *,
    folder: Path,
    nj: int = 1,
    part: tuple[int, int] | None = None,
) -> None:
    """Extracts the features of every utterance into `folder`; feats.scp is its last file.

    Shards that are done are kept. The bytes depend on the audio and the settings alone. With a GPU one process works.

    Args:
        wavs: path by utterance.
        durations_s: by utterance, for the forecast.
        speech: upstream and form.
        folder: where feats.NNNN.ark and feats.scp go.
        nj: worker processes.
        part: (k, n) makes only every n-th shard from the k-th (1..), and parts/k-of-n as the last file; a run
            without a part, when all parts are there, joins them.

    Raises:
        DataError: audio that cannot be used (after all the rest was done), features that are the same for all
            utterances, or too little disk.
        ConfigError: an upstream that cannot be loaded.
        UserError: a worker was killed before it was ready.
    """
    if not wavs:
        raise DataError(f"{folder}: there are no utterances to extract; run stage 1 again")
    folder.mkdir(parents=True, exist_ok=True)
    sources = {utt: Path(wav) for utt, wav in wavs.items()}
    shards = plan_shards(sources, dump_yaml(describe_speech(speech)))
    number, parts = part or (1, 1)
    shards = shards[number - 1 :: parts]
    left = [shard for shard in shards if not is_done(folder, shard)]
    faults: dict[str, str] = {}
    checked = _check_not_constant(folder, [shard for shard in shards if shard not in left], speech)
    if left:
        tell = _forecaster(left, durations_s, speech, folder=folder, kept=len(shards) - len(left))
        events = run_tasks(_make_worker, (speech, folder), left, processes=nj, start=tell)
        for event in progress(events, speech.upstream, total=sum(len(shard.sources) for shard in left)):
            if isinstance(event, Killed):
                faults[event.item] = f"{wavs.get(event.item, folder)}: its worker {event.how}, often for lack of memory"
            elif event.fault:
                faults[event.utt] = event.fault
            elif event.finished and not checked:
                checked = _check_not_constant(folder, [event.finished], speech)
    raise_faults(faults, folder if part is None else part_file(folder, part).parent)
    if part is not None:
        write_text(part_file(folder, part), "".join(f"{shard.name}\n" for shard in shards))
        return
    notes, errors = join_shards(folder, shards)
    shutil.rmtree(folder / "parts", ignore_errors=True)
    said = "".join(f"; {count} {note}" for note, count in notes.items())
    if speech.storage == "half":
        said += f"; stored in two bytes a value, off by {errors[0]:.2g} at most, {errors[1]:.2g} of a matrix's norm"
    log.info("%s: features of %d utterances in %d shards%s", folder, len(wavs), len(shards), said)


def part_file(folder: Path, part: tuple[int, int]) -> Path:
    """Returns the last file of a part of the extraction."""
    return folder / "parts" / f"{part[0]}-of-{part[1]}"


def _make_worker(argument: tuple[SpeechFeatures, Path]) -> tuple[Callable[[Shard], Iterator[object]], Facts]:
    """Loads the upstream in a worker process."""
    import torch

    from ambiser.features.upstream import load_upstream

    speech, folder = argument
    # One thread always: sums in another order would give other bytes.
    torch.set_num_threads(1)
    torch.backends.cudnn.allow_tf32 = False
    upstream = load_upstream(speech, "cuda" if torch.cuda.is_available() else "cpu")
    second = np.random.default_rng(0).standard_normal(SAMPLE_RATE_HZ).astype(np.float32) * 0.1
    hidden = upstream.extract(second)
    reduce_hidden_states(hidden, speech)
    facts = Facts(upstream.layers, upstream.dim, float(len(hidden[0])), upstream.minimum_samples, upstream.device)

    def work(shard: Shard) -> Iterator[object]:
        return _extract_shard(shard, upstream, speech, folder)

    return work, facts


def _extract_shard(shard: Shard, upstream: object, speech: SpeechFeatures, folder: Path) -> Iterator[Event | At]:
    """Yields an event for each utterance; before the last one, the shard is written with all that are sound."""
    utts = list(shard.sources)
    fault, sound = "", True
    with open_shard(folder, shard, half=speech.storage == "half") as writer:
        for utt in utts:
            path = shard.sources[utt]
            yield At(utt)
            fault = ""
            try:
                wav, info = load_audio(path)
                source = fingerprint(path)
                matrix = reduce_hidden_states(upstream.extract(wav), speech)
            except (DataError, OSError) as error:
                fault = str(error) if str(path) in str(error) else f"{path}: {error}"
                sound = False
            else:
                writer.add(utt, matrix, source, _notes(wav, info, upstream))
            if utt != utts[-1]:
                yield Event(utt, fault)
    yield Event(utts[-1], fault, shard if sound else None)


def _notes(wav: np.ndarray, info: AudioInfo, upstream: object) -> Iterator[str]:
    """Yields what is peculiar about an utterance's audio."""
    if upstream.is_short(len(wav)):
        yield "too short for the model and padded with zeros"
    if wav.min() == wav.max():
        yield "silent"
    if info.sample_rate_hz != SAMPLE_RATE_HZ:
        yield f"resampled to {SAMPLE_RATE_HZ} Hz"
    if info.channels > 1:
        yield "averaged over their channels"


def _forecaster(
    left: list[Shard], durations_s: Mapping[str, float | str], speech: SpeechFeatures, *, folder: Path, kept: int
) -> Callable[[Facts], int | None]:
    """Returns the function that tells what will be written, and stops when the disk cannot hold it."""

    def tell(facts: Facts) -> int | None:
        utts = [utt for shard in left for utt in shard.sources]
        seconds = sum(float(durations_s[utt]) for utt in utts if utt in durations_s)
        write_json(folder / UPSTREAM_RECORD, {"layers": facts.layers, "dim": facts.dim})
        width = facts.dim * (1 if speech.form == "frames" else facts.layers)
        if speech.form == "pooled":
            rows = len(utts) * (2 if speech.statistics == "mean_std" else 1)
        else:
            rows = math.ceil(seconds * facts.frames_per_second)
        needed = rows * width * (2 if speech.storage == "half" else 4) + 100 * len(utts)
        free = shutil.disk_usage(folder).free
        log.info(
            "%s (%d layers of %d, %s) on %s: %d utterances, %.1f h; writes %s, free are %s%s",
            speech.upstream, facts.layers, facts.dim, speech.form, facts.device, len(utts), seconds / 3600,
            _size(needed), _size(free), f"; {kept} shards are done already" if kept else "",
        )  # fmt: skip
        if needed + _SPARE_BYTES > free:
            raise DataError(
                f"{folder}: the features need {_size(needed)} and {_size(_SPARE_BYTES)} to spare, "
                f"free are {_size(free)}; give another --dump_dir or make room"
            )
        return 1 if facts.device == "cuda" else None

    return tell


def _check_not_constant(folder: Path, shards: list[Shard], speech: SpeechFeatures) -> bool:
    """Looks at the first shard that has two utterances or more; returns whether there was one."""
    for shard in shards:
        if speech.form != "pooled":
            return True
        if len(shard.sources) > 1:
            matrices = [read_matrix(entry, utt) for utt, entry in shard_entries(folder, shard).items()]
            if means_are_constant(matrices, speech):
                raise UserError(
                    f"speech_features.upstream: {speech.upstream} gives every utterance the same means (it normalizes "
                    "each), so pooled features tell nothing; take another, such as fbank_no_cmvn, or form: frames"
                )
            return True
    return False


def raise_faults(faults: Mapping[str, str], folder: Path) -> None:
    """Lists unusable utterances in unusable.tsv, and removes a list that is of the past.

    Args:
        faults: file and reason by utterance.
        folder: where the list goes.

    Raises:
        DataError: there are faults; with the first of them, and what to do.
    """
    record = folder / "unusable.tsv"
    if not faults:
        record.unlink(missing_ok=True)
        return
    utts = sorted(faults)
    write_tsv(record, ["utt", "reason"], [(utt, " ".join(faults[utt].split())) for utt in utts])
    lines = [f"{utt}: {faults[utt]}" for utt in utts[:_SHOWN_FAULTS]]
    if len(utts) > _SHOWN_FAULTS:
        lines.append(f"and {len(utts) - _SHOWN_FAULTS} more, listed in {record}")
    names = ",".join(utts) if len(utts) <= _SHOWN_FAULTS else f"the names in {record}"
    raise DataError(
        "\n  ".join([f"{len(faults)} utterances cannot be used; all others are done:", *lines])
        + "\n  mend these files and run stage 2 again; or leave them out of the corpus by your own choice: prepare the "
        f"data anew (stage 1, another --data_dir) with --set data.leave_out=[{names}]; what is done is kept"
    )


def _size(count: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count / 1e3:.0f} kB"
