"""What the report page shows beside scores: embeddings, heads, transcripts and audio, as far as they are there."""

import os
from pathlib import Path

from ambiser.io.layout import Layout
from ambiser.io.tables import read_table
from ambiser.recipe.systems import System


def load_detail(system: System, fold: int, loaded: object) -> object:
    """Returns embeddings, and what every head says, of a fold, as far as stage 7 has written them."""
    from ambiser.report.system_details import Detail, read_heads

    layout, tag = system.experiment.layout, system.tag
    heads, embeddings = layout.heads(tag, fold), layout.embeddings(tag, fold)
    if system.imported is None and heads.is_file():
        return Detail(loaded, heads=read_heads(heads, list(loaded.utts)))
    if system.imported is not None or not embeddings.is_file():
        return Detail(loaded)
    from ambiser.train.embeddings_file import read_embeddings

    read = read_embeddings(embeddings)
    return Detail(loaded, read.embeddings, read.prototypes, read.utts)


def load_words_and_audio(layout: Layout) -> tuple[dict[str, str], dict[str, str]]:
    """Returns transcripts, and paths of audio files that are there, relative to the folder of the report."""
    text, audio = layout.table("text"), layout.table("wav.scp")
    words = read_table(text, allow_empty_value=True) if text.is_file() else {}
    files = read_table(audio) if audio.is_file() else {}
    start = layout.exp_dir.resolve()
    return words, {utt: os.path.relpath(path, start) for utt, path in files.items() if Path(path).is_file()}
