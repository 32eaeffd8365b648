"""Loads what the report page shows beside scores: embeddings, heads, transcripts and audio, where they exist."""

import os
from dataclasses import replace
from pathlib import Path

from ambiser.io.layout import Layout
from ambiser.io.tables import read_table
from ambiser.recipe.result_folders import other_systems
from ambiser.recipe.score_attributes import attribute_scores
from ambiser.recipe.system_folds import load_scored
from ambiser.recipe.systems import System, ensure_predictions
from ambiser.stages import TRAINING_STAGES


def load_details(systems: list[System], results: list) -> tuple[dict, dict | None]:
    """Loads what the sections of the page show beside scores.

    Results that cannot be compared with those of the command line have learning curves only, since their utterances or
    labels differ. So have other ensembles, imported predictions and experiments with outdated predictions.

    Args:
        systems: as on the command line.
        results: of these systems, in the same order, and then others.

    Returns:
        The details by tag, and the list of utterances with the systems of the command line (None if they cannot be
        compared).
    """
    from ambiser.report.comparable import make_tables
    from ambiser.report.experiment_section import ExperimentDetails
    from ambiser.report.learning_curves import read_curves
    from ambiser.report.results_page import with_sections
    from ambiser.report.utterance_list import list_utterances

    layout, named = systems[0].experiment.layout, {system.tag for system in systems}
    sections = {one.tag: one for one in with_sections(results, named)}
    details = {
        tag: ExperimentDetails(read_curves(layout, tag, TRAINING_STAGES, one.stamp.all_folds))
        for tag, one in sections.items()
    }
    table = make_tables(results, named)[0]
    comparable = {one.tag for row in table.rows for one in row.results}
    if not named <= comparable:
        return details, None
    others = other_systems(layout, [one for tag, one in sections.items() if tag in comparable - named])
    (words, audio), loaded = _load_words_and_audio(layout), {}
    for system in [one for one in systems if one.tag in sections] + others:
        tag = system.tag
        loaded[tag] = {k: load_scored(system, k, ensure_predictions(system, k))[0] for k in table.first.stamp.folds}
        shown = [_load_detail(system, k, fold) for k, fold in loaded[tag].items()]
        raters = _load_raters(system, table.first.stamp.folds, table.first.stamp.class_names)
        details[tag] = replace(
            details[tag],
            folds=shown,
            words=words,
            raters=raters,
            attributes=attribute_scores(system, table.first.stamp.folds),
        )
    classes, levels = table.first.stamp.class_names, systems[0].experiment.config.score.levels
    listed = {tag: folds for tag, folds in loaded.items() if tag in named}
    return details, list_utterances(listed, classes=classes, levels=levels, words=words, audio=audio)


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


def _load_raters(system: System, folds: list[int], classes: list[str]) -> list:
    """Returns the rows of raters.tsv of all folds; none where a fold has no such file."""
    from ambiser.report.rater_table import read_raters

    paths = [system.experiment.layout.raters(system.tag, fold) for fold in folds]
    if system.imported is not None or not all(path.is_file() for path in paths):
        return []
    return [row for path in paths for row in read_raters(path, classes)]


def _load_words_and_audio(layout: Layout) -> tuple[dict[str, str], dict[str, str]]:
    """Returns transcripts, and the paths of existing audio files relative to the folder of the report."""
    text, audio = layout.table("text"), layout.table("wav.scp")
    words = read_table(text, allow_empty_value=True) if text.is_file() else {}
    files = read_table(audio) if audio.is_file() else {}
    start = layout.exp_dir.resolve()
    return words, {utt: os.path.relpath(path, start) for utt, path in files.items() if Path(path).is_file()}
