"""Speech features of a whole corpus: planned in shards, told in advance, extracted by worker processes, resumable."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from ambiser.config import dump_yaml
from ambiser.config.schema import SpeechFeatures
from ambiser.errors import DataError, UserError
from ambiser.features.extraction.fingerprints import weights_digest
from ambiser.features.extraction.forecast import choose_trial, forecaster
from ambiser.features.extraction.shard_work import make_worker
from ambiser.features.extraction.shards import Shard, is_done, join_shards, plan_shards, shard_entries
from ambiser.features.extraction.workers import Killed, run_tasks
from ambiser.features.upstreams.pooling import means_are_constant
from ambiser.io.ark import read_matrix
from ambiser.io.console import log, progress
from ambiser.io.files import write_text
from ambiser.io.tables import write_tsv
from ambiser.launch.resources import free_gpus

_SHOWN_FAULTS = 20


def describe_speech(speech: SpeechFeatures) -> dict:
    """Returns all settings that shape the speech features, for the record of their folder; batches do not."""
    settings = speech.model_dump(mode="json", exclude={"batch_s"})
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
        tell = forecaster(left, durations_s, speech, folder=folder, kept=len(shards) - len(left), processes=nj)
        trial = choose_trial(left, durations_s, on_gpu=bool(free_gpus()))
        events = run_tasks(
            make_worker, (speech, folder, []), left, processes=nj, start=tell, first=(speech, folder, trial)
        )
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
