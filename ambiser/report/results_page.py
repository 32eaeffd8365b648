"""Renders report.html: one page that needs no other file; its figures are also written as files."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from ambiser.io.forks import map_in_forks
from ambiser.report import score_figures as figures
from ambiser.report.comparable import MADE_UP, ResultTable, make_tables, pooled, warnings
from ambiser.report.experiment_section import ExperimentDetails, describe_experiment
from ambiser.report.figure_style import Picture, take_picture
from ambiser.report.page_tables import calibration_block, group_block, score_block
from ambiser.report.page_template import render_page
from ambiser.report.page_words import CAPTIONS, WORDS
from ambiser.report.quoted_scores import QuotedSystem, quoted_block
from ambiser.report.shown_scores import CLASS_SCORES, DISTRIBUTION_SCORES
from ambiser.report.table_facts import STAMP_HEADER, kind_line, left_out_rows, level_line, shared_stamp, stamp_rows
from ambiser.report.utterance_figure import draw_utterances
from ambiser.report.utterance_list import as_script
from ambiser.scoring.results import Results
from ambiser.scoring.score_names import METRICS
from ambiser.scoring.stamp import show

MOST_SECTIONS = 12
"""Largest number of sections on the page, unless more experiments are named: a section takes seconds to draw."""


def render_report(
    results: Sequence[Results],
    figure_dir: Path,
    *,
    formats: Collection[str] = (),
    details: Mapping[str, ExperimentDetails],
    listing: Mapping[str, object] | None = None,
    quoted: Sequence[QuotedSystem] = (),
    sweeps: Sequence[Mapping[str, object]] = (),
    first: Collection[str] = (),
    each: Callable[[Iterable, int], Iterable] = lambda items, total: items,
) -> str:
    """Draws all figures and returns the page.

    Args:
        results: of all experiments and seeds; `with_sections` names those with a section.
        figure_dir: where the figures are written.
        formats: of the figures beside SVG: some of png and pdf.
        details: what the sections show beside the results, by tag.
        listing: from `ambiser.report.utterance_list.list_utterances`; None for no list.
        quoted: systems of papers, shown beside the experiments of the first table.
        sweeps: from `ambiser.report.sweep_report.sweep_blocks`.
        first: tags of the experiments that come first and always have a section.
        each: wraps the sections, and their number, while they are drawn (a progress bar).
    """
    tables = make_tables(results, first)
    sections, nothing = with_sections(results, first), ExperimentDetails()
    where = {"folder": figure_dir, "formats": formats}

    def describe(one: Results) -> dict[str, object]:
        return describe_experiment(one, details.get(one.tag, nothing), **where)

    return render_page(
        "results_page.html.j2",
        title=tables[0].title(),
        lead=_lead(results, sections, formats),
        made_up=MADE_UP if any(table.first.stamp.made_up for table in tables) else "",
        resamples=tables[0].first.scores.bootstrap.resamples,
        tables=[_describe_table(table, number, where) for number, table in enumerate(tables, start=1)],
        examples=_draw_examples(sections, details, where),
        sections=list(each(map_in_forks(describe, sections), len(sections))),
        listing=listing,
        quoted=quoted_block(quoted, tables[0]) if quoted else None,
        sweeps=sweeps,
        script="" if listing is None else as_script(listing),
        words=[*WORDS, *((m.title, f"{m.meaning}; {m.better} is better") for m in METRICS.values())],
    )


def _draw_examples(
    sections: Sequence[Results], details: Mapping[str, ExperimentDetails], where: Mapping[str, object]
) -> Picture | None:
    """Draws three utterances by the systems whose predictions are loaded; returns None if there are none."""
    loaded = [one for one in sections if one.tag in details and details[one.tag].folds]
    if not loaded:
        return None
    systems = {one.name: [shown.fold for shown in details[one.tag].folds] for one in loaded}
    return take_picture(
        lambda: draw_utterances(systems, loaded[0].stamp.class_names),
        name="utterances",
        caption=CAPTIONS["utterances"],
        **where,
    )


def with_sections(results: Iterable[Results], first: Collection[str] = ()) -> list[Results]:
    """Returns the results that have a section: of each experiment one seed, those in `first` and MOST_SECTIONS at most.

    Args:
        results: of all experiments and seeds; of each experiment the first one given is taken.
        first: tags of the experiments that always have a section.
    """
    by_name: dict[str, Results] = {}
    for one in results:
        by_name.setdefault(one.name, one)
    chosen = sorted(by_name.values(), key=lambda one: one.tag not in first)
    return chosen[: max(MOST_SECTIONS, sum(one.tag in first for one in chosen))]


def _lead(results: Sequence[Results], sections: Sequence[Results], formats: Collection[str]) -> str:
    names, seeds = {one.name for one in results}, sorted({one.stamp.seed for one in results} - {None})
    lead = f"Experiments: {len(names)}. Seeds: {show(seeds)}."
    if len(seeds) > 1:
        lead += " Tables of scores are means over seeds; everything else is of the first seed."
    if len(sections) < len(names):
        without = sorted(names - {one.name for one in sections})
        lead += f" In tables only, without a section: {', '.join(without)}; name them in the call to give them one."
    written = ", ".join(["SVG", *(name.upper() for name in formats)])
    hint = "" if formats else " (PNG and PDF for papers: --figures png,pdf)"
    return f"{lead} Figures as {written}: folder figures{hint}."


def _describe_table(table: ResultTable, number: int, where: Mapping[str, object]) -> dict[str, object]:
    overview = take_picture(
        lambda: figures.draw_overview(table),
        name="overview" if number == 1 else f"overview{number}",
        caption=CAPTIONS["overview"],
        **where,
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
        "genders": group_block(table, "genders") if table.first.scores.genders else None,
        "calibration": calibration_block(table),
        "shared": [pair for pair in shared_stamp(table) if pair[0] != "left out"],
        "stamp_header": STAMP_HEADER,
        "stamp_rows": stamp_rows(table),
        "left_out": [(reason, where, f"{count:,}") for reason, where, count in left_out_rows(table.first)],
    }
