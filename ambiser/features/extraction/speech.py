"""Extracts speech features (stage 2): plans shards, estimates the cost, runs worker processes, and resumes."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from ambiser.config import dump_yaml
from ambiser.config.schema import SpeechFeatures
from ambiser.errors import DataError, UserError
from ambiser.features.extraction.fingerprints import weights_digest
from ambiser.features.extraction.forecast import Forecast, choose_trial
from ambiser.features.extraction.shard_work import make_worker
from ambiser.features.extraction.shards import Shard, is_done, join_shards, plan_shards, shard_entries
from ambiser.features.extraction.workers import Killed, run_tasks
from ambiser.features.upstreams.pooling import means_are_constant
from ambiser.io.ark import read_matrix
from ambiser.io.console import log, progress
from ambiser.io.files import write_text
from ambiser.io.layout import part_file
from ambiser.io.tables import write_tsv
from ambiser.launch.resources import free_gpus

_SHOWN_FAULTS = 20


def describe_speech(speech: SpeechFeatures) -> dict:
    """Returns the settings that change the speech features, for the record of their folder; batch_s changes nothing."""
    settings = speech.model_dump(mode="json", exclude={"batch_s"})
    if content := weights_digest(speech.checkpoint):
        settings["checkpoint"] = f"sha256:{content}"  # the content counts, not the path
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

    Keeps shards that are done. The bytes depend on audio and settings only. A GPU is used by a single process.

    Args:
        wavs: path by utterance.
        durations_s: by utterance, for the estimate of the cost.
        speech: upstream and form.
        folder: for feats.NNNN.ark and feats.scp.
        nj: worker processes.
        part: (k, n) makes every n-th shard from the k-th (1..) and, last, the file parts/k-of-n; a run without a part
            then joins all parts.

    Raises:
        DataError: unusable audio (after everything else is done), features that are the same for all utterances, or
            too little disk.
        ConfigError: the upstream cannot be loaded.
        UserError: a worker was killed before it was ready.
    """
    if not wavs:
        raise DataError(f"{folder}: there are no utterances to extract; run stage 1 again")
    folder.mkdir(parents=True, exist_ok=True)
    number, parts = part or (1, 1)
    sources = {utt: Path(wav) for utt, wav in wavs.items()}
    shards = plan_shards(sources, dump_yaml(describe_speech(speech)))[number - 1 :: parts]
    faults = _make_missing(shards, durations_s, speech, folder, nj)
    raise_faults(faults, folder if part is None else part_file(folder, part).parent)
    if part is None:
        _join(folder, shards, speech)
    else:
        write_text(part_file(folder, part), "".join(f"{shard.name}\n" for shard in shards))


def _make_missing(
    shards: list[Shard], durations_s: Mapping[str, float | str], speech: SpeechFeatures, folder: Path, nj: int
) -> dict[str, str]:
    """Extracts the shards that are not done; returns file and reason of each unusable utterance."""
    missing = [shard for shard in shards if not is_done(folder, shard)]
    done = [shard for shard in shards if shard not in missing]
    is_checked = _check_not_constant(folder, done, speech)
    if not missing:
        return {}
    forecast = Forecast(missing, durations_s, speech, folder, kept=len(done), processes=nj)
    trial = choose_trial(missing, durations_s, on_gpu=bool(free_gpus()))
    first = (speech, folder, trial)
    events = run_tasks(make_worker, (speech, folder, []), missing, processes=nj, start=forecast, first=first)
    sources = {utt: path for shard in missing for utt, path in shard.sources.items()}
    faults: dict[str, str] = {}
    for event in progress(events, speech.upstream, total=len(sources)):
        if isinstance(event, Killed):
            faults[event.item] = f"{sources.get(event.item, folder)}: its worker {event.how}, often for lack of memory"
        elif event.fault:
            faults[event.utt] = event.fault
        elif event.finished and not is_checked:
            is_checked = _check_not_constant(folder, [event.finished], speech)
    return faults


def _join(folder: Path, shards: list[Shard], speech: SpeechFeatures) -> None:
    """Writes feats.scp and logs the notes."""
    notes, errors = join_shards(folder, shards)
    shutil.rmtree(folder / "parts", ignore_errors=True)
    remarks = "".join(f"; {count} {note}" for note, count in notes.items())
    if speech.storage == "half":
        remarks += f"; 2 bytes per value, largest error {errors[0]:.2g}, or {errors[1]:.2g} of a matrix's norm"
    utterances = sum(len(shard.sources) for shard in shards)
    log.info("%s: features of %d utterances in %d shards%s", folder, utterances, len(shards), remarks)


def _check_not_constant(folder: Path, shards: list[Shard], speech: SpeechFeatures) -> bool:
    """Checks the first shard of at least two utterances; returns whether the check is done."""
    for shard in shards:
        if speech.form != "pooled":
            return True
        if len(shard.sources) > 1:
            matrices = [read_matrix(entry, utt) for utt, entry in shard_entries(folder, shard).items()]
            if means_are_constant(matrices, speech):
                raise UserError(
                    f"speech_features.upstream: {speech.upstream} gives every utterance the same means (it normalizes "
                    "each one), so pooled features carry no information; use fbank_no_cmvn or form: frames"
                )
            return True
    return False


def raise_faults(faults: Mapping[str, str], folder: Path) -> None:
    """Writes the list of unusable utterances, unusable.tsv; without faults, removes an old list.

    Args:
        faults: file and reason by utterance.
        folder: for the list.

    Raises:
        DataError: there are faults; names the first ones and the remedy.
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
        + "\n  repair these files and run stage 2 again; or exclude them: run stage 1 again with another "
        f"--data_dir and --set data.leave_out=[{names}]; finished features are kept"
    )
