"""Transcribes a corpus with Whisper: parts in worker processes, then one table `utt words`; resumable."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ambiser.errors import DataError
from ambiser.features.extraction.fingerprints import weights_digest
from ambiser.features.extraction.shards import Shard, plan_shards
from ambiser.features.extraction.workers import At, Killed, run_tasks
from ambiser.io.audio import read_audio
from ambiser.io.console import log, progress
from ambiser.io.files import digest
from ambiser.io.tables import read_table, write_table

_BATCH = 16  # utterances per decoding step


@dataclass(frozen=True)
class RecognizerSettings:
    """What changes the transcripts.

    Attributes:
        model: folder or name of a Whisper.
        window_s: see `WhisperSpeech`.
        language: code such as "en", for a multilingual model.
    """

    model: str
    window_s: float
    language: str

    def describe(self) -> str:
        """Returns the settings as text, a local model by its content."""
        return f"{weights_digest(self.model) or self.model} {self.window_s:g} {self.language}"


def transcribe_corpus(wavs: Mapping[str, str], settings: RecognizerSettings, *, output: Path, nj: int = 1) -> None:
    """Writes the table `utt words` of all utterances.

    Parts lie in OUTPUT.parts until all are done. A part is named by the digest of its audio and the settings, so that a
    resumed run keeps only parts that still fit.

    Args:
        wavs: path by utterance.
        settings: the model and its options.
        output: the table.
        nj: worker processes.

    Raises:
        ConfigError: the model cannot be loaded.
        DataError: there are no utterances, audio is unreadable, or a worker was killed twice.
    """
    if not wavs:
        raise DataError(f"{output}: there are no utterances to transcribe; run stage 1 again")
    parts = output.with_name(f"{output.name}.parts")
    shards = plan_shards({utt: Path(wav) for utt, wav in wavs.items()}, settings.describe())
    files = {shard.number: parts / _part_name(shard) for shard in shards}
    left = [shard for shard in shards if not files[shard.number].is_file()]
    events = run_tasks(_make_worker, (settings, files), left, processes=nj, start=lambda facts: None) if left else ()
    for event in progress(events, "transcribe", total=len(left)):
        if isinstance(event, Killed):
            raise DataError(f"{output}: the worker of {event.item} {event.how}, often for lack of memory; run it again")
    table: dict[str, str] = {}
    for file in files.values():
        table |= read_table(file, allow_empty_value=True)
    write_table(output, table)
    shutil.rmtree(parts)
    log.info("%s: transcripts of %d utterances, %d empty", output, len(table), sum(not text for text in table.values()))


def _part_name(shard: Shard) -> str:
    """Returns a name that changes with the settings, the utterances, and the size or time of their audio."""
    words = [shard.settings]
    for utt, path in shard.sources.items():
        try:
            status = path.stat()
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}") from error
        words += [utt, str(status.st_size), str(status.st_mtime_ns)]
    return digest(*words)[:16]


def _make_worker(
    argument: tuple[RecognizerSettings, dict[int, Path]],
) -> tuple[Callable[[Shard], Iterator[object]], None]:
    """Loads the recognizer in a worker process."""
    import torch

    from ambiser.features.upstreams.recognizer import Recognizer

    settings, files = argument
    torch.set_num_threads(1)  # nj processes share the cores
    recognizer = Recognizer(settings.model, settings.window_s, settings.language)

    def work(shard: Shard) -> Iterator[object]:
        table: dict[str, str] = {}
        utts = list(shard.sources)
        for at in range(0, len(utts), _BATCH):
            batch = utts[at : at + _BATCH]
            yield At(batch[0])
            wavs = [read_audio(shard.sources[utt]) for utt in batch]
            table |= zip(batch, recognizer.transcribe(wavs), strict=True)
        write_table(files[shard.number], table)
        yield shard.name

    return work, None
