"""Encodes the transcripts of a corpus (stage 2) in shards, by several processes, resumable."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from ambiser.config import dump_yaml
from ambiser.config.schema import TextFeatures
from ambiser.errors import DataError
from ambiser.features.extraction.fingerprints import fingerprint, weights_digest
from ambiser.features.extraction.shards import Shard, is_done, join_shards, open_shard, plan_shards
from ambiser.features.extraction.workers import At, Killed, run_tasks
from ambiser.features.upstreams.device import find_device
from ambiser.features.upstreams.text_encoders import ENCODERS
from ambiser.io.console import log, progress

_NO_WORDS = "without words: zeros"


def describe_text(text: TextFeatures) -> dict:
    """Returns the settings that change the text features, for the record of their folder."""
    settings = text.model_dump(mode="json")
    if content := weights_digest(text.model):
        settings["model"] = f"sha256:{content}"  # the content counts, not the path
    return {"text_features": settings}


def extract_text(texts: Mapping[str, str], text: TextFeatures, *, folder: Path, nj: int = 1) -> None:
    """Writes a (1, Dt) matrix per utterance, or (tokens, Dt), in shards; an empty transcript gives a row of zeros.

    feats.scp is the last file. Keeps shards that are done; notes.tsv lists the utterances without words.

    Args:
        texts: transcript by utterance; may be empty.
        text: the encoder.
        folder: for the files.
        nj: worker processes; with a GPU there is one.

    Raises:
        ConfigError: the encoder cannot be loaded.
        DataError: there are no utterances, or the worker of one was killed twice.
        UserError: a worker was killed before it was ready.
    """
    if not texts:
        raise DataError(f"{folder}: there are no transcripts to encode; run stage 1 again")
    folder.mkdir(parents=True, exist_ok=True)
    shards = plan_shards({utt: words.strip() for utt, words in texts.items()}, dump_yaml(describe_text(text)))
    left = [shard for shard in shards if not is_done(folder, shard)]
    for event in progress(_encode_shards(left, text, folder, nj), f"text {folder.name}", total=len(left)):
        if isinstance(event, Killed):
            why = f"{event.how}, often for lack of memory; run stage 2 again"
            raise DataError(f"{folder}: the worker that encoded {event.item} {why}")
    notes, _ = join_shards(folder, shards)
    remarks = "".join(f"; {count} {note}" for note, count in notes.items())
    log.info("%s: text features of %d utterances in %d shards%s", folder, len(texts), len(shards), remarks)


def _encode_shards(left: list[Shard], text: TextFeatures, folder: Path, nj: int) -> Iterator[object]:
    """Yields an event per finished shard; hashing is too cheap for worker processes."""
    if text.encoder == "hashing":
        work, _ = _make_worker((text, folder))
        return (event for shard in left for event in work(shard) if not isinstance(event, At))
    return run_tasks(_make_worker, (text, folder), left, processes=nj, start=_processes) if left else iter(())


def _make_worker(argument: tuple[TextFeatures, Path]) -> tuple[Callable[[Shard], Iterator[object]], bool]:
    """Loads the encoder in a worker process."""
    text, folder = argument
    encode, dim = ENCODERS[text.encoder](text)

    def work(shard: Shard) -> Iterator[object]:
        with open_shard(folder, shard) as writer:
            for utt, words in shard.sources.items():
                yield At(utt)
                rows = encode(words) if words else np.zeros((1, dim), np.float32)
                writer.add(utt, rows, fingerprint(words), () if words else (_NO_WORDS,))
        yield shard.name

    return work, text.encoder == "huggingface" and find_device() == "cuda"


def _processes(on_gpu: bool) -> int | None:
    return 1 if on_gpu else None
