"""Text and figures of the pages have enough contrast in light and dark mode and in print (WCAG 2.2, 1.4.3, 1.4.11)."""

import re
from pathlib import Path

import pytest
from report.accessible import faults

from ambiser import report
from ambiser.report.figure_style import PAGE_COLORS
from ambiser.report.palette import COLORS

CSS = (Path(report.__file__).parent / "page_style.css.j2").read_text(encoding="utf-8")
LIGHT, DARK, PRINT = (dict(re.findall(r"--([\w-]+): (#\w+)", block)) for block in re.findall(r":root \{(.*?)\}", CSS))
MODES = {"light": LIGHT, "dark": LIGHT | DARK, "print": LIGHT | PRINT}


def luminance(color: str) -> float:
    """Returns the relative luminance of #rgb or #rrggbb."""
    digits = color[1:] if len(color) == 7 else "".join(2 * digit for digit in color[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_that_of_the_standard():
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#fff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("mode", MODES)
def test_words_have_a_contrast_of_4_5(mode):
    colors = MODES[mode]
    pairs = [(ink, paper) for ink in ("ink", "soft", "link") for paper in ("paper", "card")] + [("warn-ink", "warn")]
    low = {pair: contrast(colors[pair[0]], colors[pair[1]]) for pair in pairs}
    assert {pair: value for pair, value in low.items() if value < 4.5} == {}


@pytest.mark.parametrize("mode", MODES)
def test_lines_and_bars_have_a_contrast_of_3(mode):
    colors = MODES[mode]
    shown = [PAGE_COLORS.get(color, color) for color in COLORS]
    drawn = [colors[color[6:-1]] if color.startswith("var(") else color for color in shown]
    low = {(color, paper): contrast(color, colors[paper]) for color in drawn for paper in ("paper", "card")}
    assert {pair: value for pair, value in low.items() if value < 3} == {}


def test_the_finder_of_faults_finds_them():
    page = '<html><title></title><h1>a</h1><h3 id="x">b</h3><svg></svg><th></th><input name="q"><p id="x"></p>'
    page += '<img src="a"><div class="scroll"></div>'
    assert sorted(faults(page)) == [
        "a table that scrolls cannot be reached by keyboard",
        *("empty th", "h3 after h1", "id twice: x", "img without alt", "input without a label", "no lang", "no title"),
        *("svg without a name", "th without scope"),
    ]
