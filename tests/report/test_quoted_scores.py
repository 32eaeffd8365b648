"""Quoted scores stand beside results, marked, and in no test."""

from pathlib import Path

import pytest

from ambiser.errors import DataError
from ambiser.report.comparison_tables import render_comparison
from ambiser.report.markdown import render_markdown
from ambiser.report.publish import publish, render_published
from ambiser.report.quoted_scores import COLUMNS, HEADING, QuotedSystem, quoted_in, read_quoted, render_quoted
from ambiser.report.results_page import render_report
from ambiser.scoring.comparison import Comparison, Contender, Difference, Family

EGS = Path(__file__).resolve().parents[2] / "egs"
PAPER = QuotedSystem("AmbER²", "a paper", {"bc": "0.825", "accuracy": "0.68"})
OTHER = QuotedSystem("CB-CE", "a paper", {"bc": "0.803"})


def write(path, *lines):
    path.write_text("\n".join("\t".join(line) for line in (COLUMNS, *lines)) + "\n")
    return path


def table_rows(text):
    """The rows of all Markdown tables, by their first cell."""
    lines = (line.split("|")[1:-1] for line in text.splitlines() if line.startswith("|"))
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in lines}


def test_a_table_is_read_in_its_order_with_the_digits_of_the_source(tmp_path):
    lines = [("B", "s", "bc", "0.70"), ("A", "t", "bc", "0.7"), ("B", "s", "accuracy", ".5")]
    systems = read_quoted(write(tmp_path / "quoted.tsv", *lines))
    assert systems == [QuotedSystem("B", "s", {"bc": "0.70", "accuracy": ".5"}), QuotedSystem("A", "t", {"bc": "0.7"})]
    assert systems == quoted_in(tmp_path)
    assert quoted_in(tmp_path / "elsewhere") == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (("A", "s", "beauty", "0.7"), "quoted.tsv:3: unknown score 'beauty'; use one of accuracy, "),
        (("A", "s", "bc", "0.7"), "quoted.tsv:3: A has bc twice; keep one"),
        (("A", "t", "ua", "0.7"), r"quoted.tsv:3: A has another source above \(s\)"),
        (("A", "s", "ua", "high"), "quoted.tsv:3: value 'high' is no number"),
        (("A", "s", "ua", "nan"), "quoted.tsv:3: value 'nan' is no number"),
        (("", "s", "ua", "1"), "quoted.tsv:3: system and source must not be empty"),
        (("A", "s", "ua"), "quoted.tsv:3: 3 fields where the header has 4"),
    ],
)
def test_a_fault_is_one_line_with_its_place(tmp_path, line, expected):
    path = write(tmp_path / "quoted.tsv", ("A", "s", "bc", "0.7"), line)
    with pytest.raises(DataError, match=expected) as fault:
        read_quoted(path)
    assert "\n" not in str(fault.value)


def test_markdown_puts_quoted_rows_below_the_experiments_and_nowhere_else(make_results):
    results = [make_results("ce-fbank")]
    without, text = render_markdown(results), render_markdown(results, (), [PAPER, OTHER])
    section = text[text.index(f"## {HEADING}") : text.index("## Words")]
    assert text.replace(section, "") == without
    rows = table_rows(section)
    assert list(rows)[0] == "" and list(rows)[2:] == ["ce-fbank", "AmbER² (quoted)", "CB-CE (quoted)"]
    assert rows["AmbER² (quoted)"] == ["0.68", "0.825"] and rows["CB-CE (quoted)"] == ["-", "0.803"]
    assert rows["ce-fbank"] == [f"{results[0].scores.pooled.scores[name]:.3f}" for name in ("accuracy", "bc")]
    assert "* AmbER², CB-CE: a paper" in section


def test_without_results_the_page_says_so_and_shows_the_quoted_rows():
    text = render_markdown([], (), [PAPER])
    assert text.index("There are no results yet, only scores quoted from papers.") < text.index("AmbER² (quoted)")
    assert "There are no results yet." in render_markdown([]) and HEADING not in render_markdown([])
    assert render_quoted([], None) == []


def test_publishing_keeps_the_quoted_rows_of_the_recipe(tmp_path, make_results):
    write(tmp_path / "quoted.tsv", ("AmbER²", "a paper", "bc", "0.825"))
    path = publish(tmp_path, [make_results("ce-fbank")])
    assert path.read_text() == render_published(tmp_path)
    assert table_rows(path.read_text())["AmbER² (quoted)"] == ["0.825"]


def test_the_report_page_shows_quoted_rows_in_a_section_of_their_own(tmp_path, make_results):
    page = render_report([make_results("ce-fbank")], tmp_path, details={}, quoted=[PAPER])
    assert page.count("AmbER² (quoted)") == 1
    assert f"{HEADING} beside " in page and "<li>AmbER²: a paper</li>" in page


@pytest.mark.parametrize("form", ["text", "markdown", "latex", "csv"])
def test_a_comparison_shows_quoted_scores_without_difference_and_p(make_results, form):
    contenders = [Contender(name, [make_results(name)], [], None) for name in ("ce-fbank", "ipr-fbank")]
    rows = [Difference("ce-fbank", "ipr-fbank", "bc", 0.5, 0.75, [0.125, 0.375], 0.001, 0.01, 0.02, 6)]
    comparison = Comparison(contenders, rows, [Family(("bc",), 1)], 1000, "", [])
    text = render_comparison(comparison, form, [PAPER])
    (line,) = (line for line in text.splitlines() if "(quoted)" in line)
    assert "0.825" in line and "0.68" not in line  # accuracy is not compared here
    if form == "csv":
        assert line == "ce-fbank,AmbER² (quoted),,bc,0.5,0.825,,,,,,,"
    kept = [other for other in text.splitlines() if other != line]
    assert len(kept) == len(render_comparison(comparison, form).splitlines())


@pytest.mark.parametrize(("recipe", "systems"), [("iemocap", 6), ("msp_podcast", 5)])
def test_the_papers_table_is_quoted_for_its_corpora(recipe, systems):
    quoted = quoted_in(EGS / recipe)
    assert len(quoted) == systems
    assert all("[S]" in system.source for system in quoted)
    assert all(0 <= float(value) <= 1 for system in quoted for value in system.scores.values())
    best = next(system for system in quoted if system.name == "AmbER²")
    assert set(best.scores) == {"jsd_bits", "bc", "r2_pearson", "macro_f1", "weighted_f1", "accuracy"}
