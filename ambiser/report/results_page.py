"""report.html: one page without anything from outside, and the figures that stand in it as PNG and PDF."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ambiser.report import detail_figures, training_figures
from ambiser.report import score_figures as figures
from ambiser.report.comparable import (
    CLASS_SCORES,
    DISTRIBUTION_SCORES,
    MADE_UP,
    Table,
    pooled,
    show,
    tables,
    warnings,
)
from ambiser.report.conflict import ambiguity_block, disagreements
from ambiser.report.figure_style import take_picture
from ambiser.report.learning_curves import Stage, has
from ambiser.report.markdown import kind_line, level_line, shared_stamp, stamp_rows
from ambiser.report.page_tables import (
    calibration_block,
    class_block,
    fold_block,
    group_block,
    score_block,
    speaker_block,
)
from ambiser.report.system_details import Detail
from ambiser.report.utterance_list import as_script
from ambiser.scoring.metrics import METRICS
from ambiser.scoring.results import Results

CAPTIONS = {
    "overview": "Scores pooled over folds with 95 % intervals; the dashed line is the class prior.",
    "confusion": "Confusion matrix: utterances with a majority, and their share of the row.",
    "reliability": "Reliability: of the utterances predicted with this confidence, so many are right.",
    "levels": "Scores by level of ambiguity with 95 % intervals, against the class prior.",
    "entropy": "Entropy of votes and prediction; on the dotted line the two agree.",
    "learning": "Training: bold the mean over folds, thin the folds, dots the epochs that were kept.",
    "prototypes": "Cosine between two classes' prototypes over training: bold the mean over folds, thin the folds.",
    "prototype_matrix": "Cosine between the prototypes that were kept, mean over folds: blue alike, orange opposed.",
    "embeddings": "Embeddings of the first fold's test part and the prototypes by t-SNE: filled precise, hollow "
    "ambiguous, crosses without a majority. Distances between far groups mean little.",
    "conflict": "Above: teacher weights against the entropy of the votes, with means. Below: BC by how much the "
    "heads for speech and text disagree.",
    "agreement": "Share of the ambiguous training utterances for which the classifier, the nearest prototype or the "
    "label aligned to class shares names the majority that was withheld: bold the mean over folds, thin the folds.",
}
WORDS = (
    ("votes", "what each rater chose"),
    ("soft label", "an utterance's votes divided by their sum"),
    ("hard label, majority", "the class with most votes; none when two share the lead"),
    ("precise, ambiguous", "utterances whose raters agree, and those that only have a majority"),
    ("level", "entropy of the votes in bits: low, medium, high"),
    ("prototype", "the mean direction of a class in the space of embeddings"),
    ("floor", "a predictor that has heard nothing: equal probabilities, training's class prior, or its main class"),
    ("fold", "some speakers are tested, others choose the epoch, the rest train; pooled: all tested parts together"),
)


def render_report(
    results: Iterable[Results],
    curves: Mapping[str, Sequence[Stage]],
    figure_dir: Path,
    each: Callable[[Iterable], Iterable] = iter,
    details: Mapping[str, Sequence[Detail]] | None = None,
    listing: Mapping[str, object] | None = None,
    words: Mapping[str, str] | None = None,
) -> str:
    """Draws all figures and returns the page.

    Args:
        results: of all experiments and seeds; figures and details are made of the first seed of each.
        curves: learning curves by tag, from `ambiser.report.learning_curves.read_curves`.
        figure_dir: where the figures are written as PNG and PDF.
        each: wraps the results while they are drawn (a progress bar).
        details: embeddings and heads of every fold, by tag.
        listing: from `ambiser.report.utterance_list.list_utterances`.
        words: transcripts.
    """
    results = list(results)
    groups = tables(results)
    page = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    ).get_template("results_page.html.j2")
    first = groups[0]
    text = page.render(
        title=first.title(),
        lead=_lead(results),
        made_up=MADE_UP if any(group.first["stamp"]["made_up"] for group in groups) else "",
        resamples=first.first["scores"]["bootstrap"]["resamples"],
        tables=[_describe_table(group, number, figure_dir) for number, group in enumerate(groups, start=1)],
        sections=[
            _describe_experiment(one, curves.get(one["tag"], ()), (details or {}).get(one["tag"], ()), figure_dir)
            | _describe_ambiguity(one, (details or {}).get(one["tag"], ()), words or {})
            for one in each(drawn(results))
        ],
        listing=listing,
        script="" if listing is None else as_script(listing),
        words=[*WORDS, *((m.title, f"{m.meaning}; {m.better} is better") for m in METRICS.values())],
    )
    return "\n".join(line.rstrip() for line in text.split("\n") if line.strip()) + "\n"


def drawn(results: Iterable[Results]) -> list[Results]:
    """Returns those that have a section of their own: the first seed of each experiment."""
    first: dict[str, Results] = {}
    for one in results:
        first.setdefault(one["name"], one)
    return list(first.values())


def _lead(results: Sequence[Results]) -> str:
    names, seeds = {one["name"] for one in results}, sorted({one["stamp"]["seed"] for one in results} - {None})
    of_one = " Tables of scores are over all seeds, everything else is of the first one." if len(seeds) > 1 else ""
    return f"Experiments: {len(names)}. Seeds: {show(seeds)}.{of_one} Figures as PNG and PDF: folder figures."


def _describe_table(table: Table, number: int, folder: Path) -> dict[str, object]:
    header, rows = stamp_rows(table)
    overview = take_picture(
        lambda: figures.draw_overview(table),
        name="overview" if number == 1 else f"overview{number}",
        caption=CAPTIONS["overview"],
        folder=folder,
    )
    return {
        "title": table.title(),
        "warnings": warnings(table),
        "apart": table.apart,
        "notes": table.notes,
        "scores": [
            score_block(table, [(metric, pooled, "") for metric in metrics])
            for metrics in (CLASS_SCORES, DISTRIBUTION_SCORES)
        ],
        "overview": overview,
        "level_line": level_line(table),
        "levels": group_block(table, "levels"),
        "kind_line": kind_line(table),
        "kinds": group_block(table.same_kinds(), "kinds"),
        "genders": group_block(table, "genders") if table.first["scores"]["genders"] else None,
        "calibration": calibration_block(table),
        "shared": [pair for pair in shared_stamp(table) if pair[0] != "left out"],
        "stamp_header": header,
        "stamp_rows": rows,
        "left_out": [(r, where, n) for where, why in sorted(table.first["left_out"].items()) for r, n in why.items()],
    }


def _describe_experiment(
    results: Results, stages: Sequence[Stage], details: Sequence[Detail], folder: Path
) -> dict[str, object]:
    stamp, tag = results["stamp"], results["tag"]
    chosen = ", ".join(f"{stage} ({stamp['selection'][stage]})" for stage in stamp["stages"])
    pictures = [
        take_picture(draw, name=f"{tag}-{name}", caption=CAPTIONS[name], folder=folder)
        for name, draw in [*_figures(results, stages), *_detail_figures(results, details)]
    ]
    trained = f" Stages, and the dev score that chose their epoch: {chosen}." if chosen else ""
    lead = f"Input: {stamp['inputs']}.{trained}"
    blocks = {"folds": fold_block(results), "classes": class_block(results), "speakers": speaker_block(results)}
    return {"tag": tag, "lead": lead, "pictures": pictures} | blocks


def _describe_ambiguity(results: Results, details: Sequence[Detail], words: Mapping[str, str]) -> dict[str, object]:
    """Returns what raters and modalities disagree on, where there are heads for both."""
    with_heads = [detail for detail in details if _hears_both(detail)]
    if not with_heads:
        return {"ambiguity": None, "disagreements": None}
    stamp = results["stamp"]
    return {
        "ambiguity": ambiguity_block(with_heads, stamp["score"]["levels"]),
        "disagreements": disagreements(with_heads, stamp["class_names"], words),
    }


def _hears_both(detail: Detail) -> bool:
    return detail.heads is not None and {"A", "T"} <= set(detail.heads.probs)


def _figures(results: Results, stages: Sequence[Stage]) -> list[tuple[str, Callable]]:
    """Returns name and drawing of every figure that these results have."""
    classes = results["stamp"]["class_names"]
    found = [
        ("confusion", lambda: figures.draw_confusion(results)),
        ("reliability", lambda: figures.draw_reliability(results)),
        ("levels", lambda: figures.draw_levels(results)),
        ("entropy", lambda: figures.draw_entropies(results)),
    ]
    if stages:
        found.append(("learning", lambda: training_figures.draw_learning(stages)))
    with_prototypes = [stage for stage in stages if has([stage], "prototype_cosine")]
    if with_prototypes:
        found.append(("prototypes", lambda: training_figures.draw_cosines(with_prototypes, classes)))
        found.append(("prototype_matrix", lambda: training_figures.draw_cosine_matrix(with_prototypes, classes)))
    if has(stages, "agreement_classifier") or has(stages, "agreement_prototypes"):
        found.append(("agreement", lambda: training_figures.draw_agreement(stages)))
    return found


def _detail_figures(results: Results, details: Sequence[Detail]) -> list[tuple[str, Callable]]:
    """Returns name and drawing of the figures of embeddings and heads that these results have."""
    found: list[tuple[str, Callable]] = []
    with_embeddings = [detail for detail in details if detail.embeddings is not None]
    if with_embeddings:
        classes = results["stamp"]["class_names"]
        found.append(("embeddings", lambda: detail_figures.draw_embeddings(with_embeddings[0], classes)))
    with_heads = [detail for detail in details if _hears_both(detail)]
    if with_heads:
        found.append(("conflict", lambda: detail_figures.draw_conflict(with_heads)))
    return found
