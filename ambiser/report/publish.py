"""Publishes results of a recipe: tables in egs/X/results, and RESULTS.md made from them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from ambiser.io.files import write_text
from ambiser.report.markdown import render_markdown
from ambiser.report.published_differences import merge_differences, read_differences, write_differences
from ambiser.report.published_tables import read_summaries, write_summaries
from ambiser.report.quoted_scores import quoted_in
from ambiser.scoring.comparison import Difference
from ambiser.scoring.results import Summary


def publish(folder: Path, results: Iterable[Summary], differences: Sequence[Difference] = ()) -> Path:
    """Puts results into the tables of a recipe and makes its RESULTS.md anew from all that are there.

    Args:
        folder: egs/X.
        results: of the experiments to publish; they replace those of the same tag, others stay.
        differences: of a comparison of these experiments; they replace those of the same two systems.

    Returns:
        The path of RESULTS.md.
    """
    tables, path = Path(folder) / "results", Path(folder) / "RESULTS.md"
    by_tag = {one.tag: one for one in (*read_summaries(tables), *results)}
    write_summaries(tables, by_tag.values())
    merged = merge_differences(read_differences(tables / "differences.tsv"), differences)
    write_differences(tables / "differences.tsv", merged)
    write_text(path, render_published(folder))
    return path


def render_published(folder: Path) -> str:
    """Returns the RESULTS.md of a recipe, made from its tables and its quoted scores."""
    tables = Path(folder) / "results"
    return render_markdown(read_summaries(tables), read_differences(tables / "differences.tsv"), quoted_in(folder))
