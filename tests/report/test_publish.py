"""The committed tables in egs/*/results and the RESULTS.md made from them; publishing."""

from dataclasses import replace
from pathlib import Path

import pytest

from ambiser.errors import DataError
from ambiser.report.markdown import render_markdown
from ambiser.report.publish import publish, render_published
from ambiser.report.published_differences import merge_differences, read_differences, write_differences
from ambiser.report.published_tables import read_summaries
from ambiser.report.quoted_scores import quoted_in
from ambiser.scoring.comparison import Difference
from ambiser.scoring.results import FittedCalibration, Human, ScaleAndBias

RECIPES = sorted(path.parent for path in (Path(__file__).resolve().parents[2] / "egs").glob("*/run.sh"))
MOST_BYTES = 1_000_000
ONE = Difference("ce-fbank", "ipr-fbank", "bc", 0.5, 0.75, [0.125, 0.375], 0.001, 0.01, 0.02, 6)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_results_md_is_made_from_the_committed_tables(recipe):
    """A recipe with neither published results nor quoted scores must have no RESULTS.md either."""
    page = recipe / "RESULTS.md"
    assert page.is_file() == bool(read_summaries(recipe / "results") or quoted_in(recipe))
    if page.is_file():
        assert page.read_text(encoding="utf-8") == render_published(recipe)


def test_the_committed_tables_are_small():
    assert sum(path.stat().st_size for recipe in RECIPES for path in (recipe / "results").glob("*")) < MOST_BYTES


@pytest.fixture
def several(make_results):
    """Results with everything that a table may hold: two seeds, calibration, single raters, an undefined score."""
    calibration = FittedCalibration(
        kind="vector",
        before=make_results().scores.pooled.scores,
        fitted_on="dev",
        folds={1: ScaleAndBias([1.0] * 4, [0.0] * 4)},
    )
    one = make_results("ce-fbank", seed=2)
    human = replace(one.scores.pooled, human=Human(9, one.scores.pooled.scores | {"ua": None}))
    one = replace(one, scores=replace(one.scores, pooled=human))
    one.scores.pooled.scores["ua"] = None
    imported = make_results("theirs", seed=None, inputs="imported", ssl=None, text=None)
    return [one, make_results("ce-fbank"), make_results("ipr-fbank", calibration=calibration), imported]


def test_the_tables_hold_all_that_results_md_shows(tmp_path, several):
    path = publish(tmp_path, several, [ONE])
    ordered = sorted(several, key=lambda one: one.tag)
    assert path.read_text() == render_markdown(ordered, [ONE]) == render_published(tmp_path)
    for name in ("scores", "experiments", "settings", "differences"):
        lines = (tmp_path / "results" / f"{name}.tsv").read_text().splitlines()[1:]
        assert len(lines) == len(set(lines)) > 0
        if name != "scores":
            assert lines == sorted(lines), name


def test_publishing_replaces_the_published_experiments_and_keeps_the_others(tmp_path, make_results):
    publish(tmp_path, [make_results("ipr-fbank"), make_results("ce-fbank")])
    before = (tmp_path / "results" / "scores.tsv").read_text().splitlines()
    newer = make_results("ce-fbank", commit="def")
    newer.scores.pooled.scores["bc"] = 0.123456
    publish(tmp_path, [newer])
    after = (tmp_path / "results" / "scores.tsv").read_text().splitlines()
    (old,), (new,) = set(before) - set(after), set(after) - set(before)
    assert new.startswith("ce-fbank-s1\tpooled\tbc\t0.123456\t") and old.startswith("ce-fbank-s1\tpooled\tbc\t")
    assert [one.stamp.commit for one in read_summaries(tmp_path / "results")] == ["def", "abc"]


def test_publishing_the_same_again_changes_no_byte(tmp_path, several):
    publish(tmp_path, several, [ONE])
    first = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    publish(tmp_path, several[:2], [ONE])
    assert first == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("experiments", "\t1\t", "\tone\t", r"experiments\.tsv:2: 'one' is not JSON"),
        ("scores", "\tpooled\t", "\tpoled\t", r"experiments\.tsv:2: ce-fbank-s1 lacks .*pooled"),
        ("scores", "\tbc\t0.", "\tbc\tx", r"experiments\.tsv:2: ce-fbank-s1: could not convert"),
        ("settings", "stamp.corpus", "stamp.corpse", r"stamp: lacks corpus and has unknown corpse"),
    ],
)
def test_a_fault_in_a_table_is_one_line_with_its_place(tmp_path, make_results, name, old, new, expected):
    publish(tmp_path, [make_results()])
    path = tmp_path / "results" / f"{name}.tsv"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=expected) as fault:
        read_summaries(tmp_path / "results")
    assert "\n" not in str(fault.value)


def test_differences_are_read_back_and_replaced_by_pair_of_systems(tmp_path):
    path = tmp_path / "differences.tsv"
    without = replace(ONE, metric="ua", base_score=None, interval=None, p=None, p_holm=None, p_t=None)
    write_differences(path, [without, ONE])
    assert read_differences(path) == [ONE, without]
    other = replace(ONE, other="jsd-fbank")
    newer = replace(ONE, p=0.5)
    assert merge_differences([ONE, without, other], [newer]) == [other, newer]
    path.write_text(path.read_text().replace("0.02", "?"))
    with pytest.raises(DataError, match=r"differences\.tsv:2: .*'\?'"):
        read_differences(path)
