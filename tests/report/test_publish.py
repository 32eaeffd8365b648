"""What is committed in egs/*/results and the RESULTS.md made from it."""

from pathlib import Path

import pytest

from ambiser.report.markdown import render_markdown
from ambiser.report.publish import read_folder

RECIPES = sorted(path.parent for path in (Path(__file__).resolve().parents[2] / "egs").glob("*/run.sh"))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_results_md_is_what_the_committed_results_give(recipe):
    """A recipe without published results must have no table either."""
    results, table = read_folder(recipe / "results"), recipe / "RESULTS.md"
    assert table.is_file() == bool(results)
    if results:
        assert table.read_text(encoding="utf-8") == render_markdown(results)
