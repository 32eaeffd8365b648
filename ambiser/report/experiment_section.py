"""Makes the section of one experiment on the results page: its tables and figures."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ambiser.report import detail_figures, training_figures
from ambiser.report import score_figures as figures
from ambiser.report.attribute_table import attribute_block
from ambiser.report.conflict import ambiguity_block, disagreements
from ambiser.report.drawn_before import input_digest
from ambiser.report.figure_style import take_picture
from ambiser.report.learning_curves import StageCurves, has
from ambiser.report.page_tables import class_block, fold_block, speaker_block
from ambiser.report.page_words import CAPTIONS
from ambiser.report.rater_table import RaterRow, rater_block
from ambiser.report.set_figures import draw_sets, set_block, set_line
from ambiser.report.system_details import Detail
from ambiser.scoring.attribute_scores import AttributeScore
from ambiser.scoring.results import Results

NamedDrawing = tuple[str, Callable]
"""The name of a figure, and the function that draws it."""


@dataclass(frozen=True)
class ExperimentDetails:
    """What a section shows beside the results.

    Attributes:
        curves: learning curves, from `ambiser.report.learning_curves.read_curves`.
        folds: embeddings or heads of every fold; empty where there are none.
        words: transcripts by utterance.
        raters: rows of raters.tsv of all folds; empty without a model of raters.
        attributes: scores of attributes; empty where they were not learned.
    """

    curves: Sequence[StageCurves] = ()
    folds: Sequence[Detail] = ()
    words: Mapping[str, str] | None = None
    raters: Sequence[RaterRow] = ()
    attributes: Sequence[AttributeScore] = ()


def describe_experiment(
    results: Results, details: ExperimentDetails, folder: Path, formats: Collection[str] = ()
) -> dict[str, object]:
    """Draws the figures of an experiment and returns what the page's template needs for its section.

    Args:
        results: of one seed.
        details: curves, embeddings, heads and transcripts.
        folder: where the figures are written.
        formats: of the figures beside SVG: some of png and pdf.
    """
    stamp, tag = results.stamp, results.tag
    chosen = ", ".join(f"{stage} ({stamp.selection[stage]})" for stage in stamp.stages)
    trained = f" Stages, and the dev score that chose their epoch: {chosen}." if chosen else ""
    drawings = [
        (_figures(results, details.curves), input_digest(results, details.curves)),
        (_detail_figures(results, details.folds), input_digest(stamp.class_names, details.folds)),
    ]
    return {
        "tag": tag,
        "lead": f"Input: {stamp.inputs}.{trained}",
        "pictures": [
            take_picture(
                draw, name=f"{tag}-{name}", caption=CAPTIONS[name], folder=folder, formats=formats, inputs=inputs
            )
            for named, inputs in drawings
            for name, draw in named
        ],
        "folds": fold_block(results),
        "classes": class_block(results),
        "speakers": speaker_block(results),
        "sets": None if results.scores.sets is None else set_block(results.scores.sets),
        "set_line": None if results.scores.sets is None else set_line(results.scores.sets),
        "raters": rater_block(details.raters, stamp.class_names) if details.raters else None,
        "attributes": attribute_block(details.attributes) if details.attributes else None,
        **_describe_ambiguity(results, details),
    }


def _describe_ambiguity(results: Results, details: ExperimentDetails) -> dict[str, object]:
    """Returns what raters and modalities disagree on, where there are heads for both modalities."""
    with_heads = [detail for detail in details.folds if _hears_both(detail)]
    if not with_heads:
        return {"ambiguity": None, "disagreements": None}
    stamp = results.stamp
    return {
        "ambiguity": ambiguity_block(with_heads, stamp.score["levels"]),
        "disagreements": disagreements(with_heads, stamp.class_names, details.words or {}),
    }


def _hears_both(detail: Detail) -> bool:
    return detail.heads is not None and {"A", "T"} <= set(detail.heads.probs)


def _figures(results: Results, stages: Sequence[StageCurves]) -> list[NamedDrawing]:
    """Returns name and drawing of every figure that these results have."""
    classes = results.stamp.class_names
    found = [
        ("confusion", lambda: figures.draw_confusion(results)),
        ("reliability", lambda: figures.draw_reliability(results)),
        ("levels", lambda: figures.draw_levels(results)),
        ("entropy", lambda: figures.draw_entropies(results)),
    ]
    if results.scores.sets is not None:
        found.append(("sets", lambda: draw_sets(results.scores.sets)))
    if stages:
        found.append(("learning", lambda: training_figures.draw_learning(stages)))
    with_prototypes = [stage for stage in stages if has([stage], "prototype_cosine")]
    if with_prototypes:
        found.append(("prototypes", lambda: training_figures.draw_cosines(with_prototypes, classes)))
        found.append(("prototype_matrix", lambda: training_figures.draw_cosine_matrix(with_prototypes, classes)))
    if has(stages, "agreement_classifier") or has(stages, "agreement_prototypes"):
        found.append(("agreement", lambda: training_figures.draw_agreement(stages)))
    return found


def _detail_figures(results: Results, details: Sequence[Detail]) -> list[NamedDrawing]:
    """Returns name and drawing of the figures of embeddings and heads that these results have."""
    found: list[NamedDrawing] = []
    with_embeddings = [detail for detail in details if detail.embeddings is not None]
    if with_embeddings:
        classes = results.stamp.class_names
        found.append(("embeddings", lambda: detail_figures.draw_embeddings(with_embeddings[0], classes)))
    with_heads = [detail for detail in details if _hears_both(detail)]
    if with_heads:
        found.append(("conflict", lambda: detail_figures.draw_conflict(with_heads)))
    return found
