"""Loads what the report page shows beside scores: embeddings, heads, transcripts and audio, where they exist."""

import os
from pathlib import Path

from ambiser.io.layout import Layout
from ambiser.io.tables import read_table
from ambiser.recipe.system_folds import load_scored
from ambiser.recipe.systems import System, ensure_predictions
from ambiser.stages import TRAINING_STAGES


def load_details(systems: list[System], results: list) -> tuple[dict, dict | None]:
    """Loads what the sections of the page show beside scores.

    Results that cannot be compared have learning curves only, since their utterances or labels differ.

    Args:
        systems: as on the command line.
        results: their results, in the same order.

    Returns:
        The details by tag, and the list of utterances (None for results that cannot be compared).
    """
    from ambiser.report.comparable import make_tables
    from ambiser.report.experiment_section import ExperimentDetails
    from ambiser.report.learning_curves import read_curves
    from ambiser.report.results_page import first_seeds
    from ambiser.report.utterance_list import list_utterances

    layout, folds_of = systems[0].experiment.layout, {one.tag: one.stamp.all_folds for one in first_seeds(results)}
    curves = {tag: read_curves(layout, tag, TRAINING_STAGES, folds) for tag, folds in folds_of.items()}
    if len(make_tables(results)) > 1:
        return {tag: ExperimentDetails(stages) for tag, stages in curves.items()}, None
    folds, shown = results[0].stamp.folds, [system for system in systems if system.tag in folds_of]
    scored = {s.tag: {k: load_scored(s, k, ensure_predictions(s, k)) for k in folds} for s in shown}
    loaded = {tag: {k: fold for k, (fold, _, _) in of.items()} for tag, of in scored.items()}
    words, audio = _load_words_and_audio(layout)
    details = {
        s.tag: ExperimentDetails(curves[s.tag], [_load_detail(s, k, loaded[s.tag][k]) for k in folds], words)
        for s in shown
    }
    classes, levels = results[0].stamp.class_names, systems[0].experiment.config.score.levels
    return details, list_utterances(loaded, classes=classes, levels=levels, words=words, audio=audio)


def _load_detail(system: System, fold: int, loaded: object) -> object:
    """Returns a fold with the outputs of every head, or with embeddings and prototypes, where stage 7 wrote them."""
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


def _load_words_and_audio(layout: Layout) -> tuple[dict[str, str], dict[str, str]]:
    """Returns transcripts, and the paths of existing audio files relative to the folder of the report."""
    text, audio = layout.table("text"), layout.table("wav.scp")
    words = read_table(text, allow_empty_value=True) if text.is_file() else {}
    files = read_table(audio) if audio.is_file() else {}
    start = layout.exp_dir.resolve()
    return words, {utt: os.path.relpath(path, start) for utt, path in files.items() if Path(path).is_file()}
