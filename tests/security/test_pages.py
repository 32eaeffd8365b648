"""Transcripts, names and file names add no markup to any page or figure."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from make_record import make_record
from scoring.conftest import make_results as make_results  # a fixture

from ambiser.inference.page import _audio_address
from ambiser.report import data_page, experiment_section, results_page, score_figures
from ambiser.report.data_page import render_page
from ambiser.report.data_statistics import CountTable, DataStatistics
from ambiser.report.figure_style import Picture, new_figure, page_svg, take_picture
from ambiser.report.latex import tex
from ambiser.report.results_page import render_report
from ambiser.report.utterance_list import as_script

BAD = "\"'></title></script><img src=x onerror=alert(1)><script>alert(1)</script>&amp;{{ 7 * 7 }}<!--"


class Page(HTMLParser):
    """Lists the elements of a page and what could run: handlers, addresses and styles."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.loud = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loud += [(tag, *pair) for pair in attrs if pair[0].startswith("on") or pair[0] in ("src", "srcdoc")]


def differences(plain, hostile):
    """Returns the elements and loud attributes that only the hostile page has."""
    before, after = Page(plain), Page(hostile)
    return set(after.tags) - set(before.tags), after.tags.count("script") - before.tags.count("script"), after.loud


@pytest.fixture
def no_figures(monkeypatch):
    """Draws nothing, which takes seconds; captions remain."""
    for module in (data_page, results_page, experiment_section, score_figures):
        if hasattr(module, "take_picture"):
            monkeypatch.setattr(
                module,
                "take_picture",
                lambda draw, *, name, caption, folder, formats, inputs="": Picture(name, caption, ""),
            )


def test_the_report_escapes_tags_classes_and_transcripts(make_results, tmp_path, no_figures):
    plain, hostile = make_results("ce"), make_results(BAD, corpus=BAD, class_names=[BAD, *"bcd"])
    listing = {"tags": [BAD], "classes": [BAD], "levels": [BAD], "rows": [{"utt": BAD, "text": BAD}], "total": 1}
    before = render_report([plain], tmp_path, details={})
    extra, scripts, loud = differences(before, page := render_report([hostile], tmp_path, details={}, listing=listing))
    assert "img" not in extra and scripts == 2, "the list brings its data and its program"
    assert loud == [] and "<script>alert" not in page and page.count("onerror") >= 5


def test_the_data_page_escapes_corpus_tables_and_remarks(tmp_path, no_figures):
    def render(word):
        table = CountTable(word, [word, "n", "a", "b", "none", "left out"], [[word, 3, 1, 2, 0, 0]])
        statistics = DataStatistics([table], np.zeros(3), np.ones(3), {word: word}, {word: [(1, word)]}, word)
        return render_page(replace(make_record(), corpus=word, version=word, leaks={word: 1}), statistics, tmp_path)

    assert differences(render("x"), page := render(BAD)) == (set(), 0, [])
    assert page.count("onerror") >= 9


def test_figures_escape_names(tmp_path):
    def draw():
        figure, axis = new_figure(2)
        axis.plot([0, 1], label=BAD.replace("$", ""))
        axis.set_title(BAD)
        axis.legend()
        return figure

    svg = take_picture(draw, name="x", caption=BAD, folder=tmp_path).svg
    page = Page(svg)
    assert not {"img", "script"} & set(page.tags) and page.loud == []
    assert not {"img", "script"} & set(Page(page_svg('<svg width="1"></svg>', BAD)).tags)


def test_data_inside_a_script_element_cannot_close_it():
    text = as_script({"rows": [BAD, "</SCRIPT>", "<!--<script>", "\u2028"]})
    assert not re.search(r"[<>&\u2028]", text)


@pytest.mark.parametrize("name", ["javascript:alert(1).wav", 'a"onerror=x.wav', "#?.wav", "%2e%2e.wav", "ä.wav"])
def test_the_address_of_a_sound_is_a_relative_quoted_path(tmp_path, name):
    (tmp_path / name).write_bytes(b"x" * 100)
    address, _ = _audio_address(tmp_path / name, tmp_path / "page.html", 0)
    assert re.fullmatch(r"[\w.%/-]+", address, re.ASCII) and ":" not in address
    assert _audio_address(tmp_path / name, tmp_path / "page.html", 1e6)[0].startswith("data:audio/")


def test_text_of_others_gives_no_commands_to_latex():
    assert tex(r"\input{a} $~^") == r"\textbackslash{}input\{a\} \$\textasciitilde{}\textasciicircum{}"
