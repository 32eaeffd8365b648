"""The page of predictions: words, means over windows, curves with gaps, and no markup from names or transcripts."""

from html.parser import HTMLParser

import pytest
from report.accessible import faults

from ambiser.report.predictions_page import PageRecording, render_predictions


def window(start=0.0, end=1.0, happy=0.75, **changes):
    record = {
        "file": "a.wav",
        "start_s": start,
        "end_s": end,
        "distribution": {"happy": happy, "sad": 1 - happy},
        "entropy_bits": 0.8,
        "expected_agreement": happy**2 + (1 - happy) ** 2,
        "no_majority": {"3": 0.1},
        "member_information_bits": 0.0,
        "head_jsd_bits": {},
        "prototype_similarity": {},
        "text": None,
        "notes": [],
    }
    return record | changes


def render(*windows, audio="", **options):
    return render_predictions([PageRecording(audio, windows)], model="m@1", total=1, **options)


class Tags(HTMLParser):
    """Lists the elements of a page with their attributes, and the text outside of script and style."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize(
    ("agreement", "verdict"),
    [(0.8, "mostly agree"), (0.79, "often disagree"), (0.5, "often disagree"), (0.4, "mostly disagree")],
)
def test_the_page_words_the_disagreement(agreement, verdict):
    page = render(window(expected_agreement=agreement))
    assert f"<strong>Raters would {verdict}.</strong>" in page
    assert f"Two raters choose the same class with a probability of {round(100 * agreement)}\u00a0%." in page
    assert "3 raters have no majority with a probability of 10\u00a0%." in page


def test_bars_are_means_weighted_by_the_length_of_the_windows():
    page = render(window(0, 3, happy=1.0), window(3, 4, happy=0.0))
    assert "width:75.0%" in page and "width:25.0%" in page and "2 windows, means over time" in page


def test_heads_and_prototypes_are_named():
    cosines, heads = {"sad": 0.5, "happy": -0.25}, {"A_T": 0.123, "A_AT": 0.2}
    text = Tags(render(window(prototype_similarity=cosines, head_jsd_bits=heads))).text
    assert "sad 0.50, happy -0.25" in text
    assert "speech against text" in text and "JSD 0.123 bits" in text
    assert "speech against both" in text


def test_curves_have_a_gap_where_no_window_is():
    text = render(window(0, 1), window(1, 2), window(8, 10, happy=0.5))
    page = Tags(text)
    assert faults(text) == []
    lines = [attrs["points"] for tag, attrs in page.elements if tag == "polyline"]
    assert len(lines) == 6  # two parts of two classes, and of the agreement
    assert lines[0] == "0.0,60.0 50.0,60.0 150.0,60.0 200.0,60.0"
    assert lines[1] == "800.0,120.0 900.0,120.0 1000.0,120.0"


def test_a_short_recording_has_no_curves():
    assert "polyline" not in {tag for tag, _ in Tags(render(window())).elements}


def test_names_words_notes_and_faults_add_no_markup():
    bad = "\"'><img src=x onerror=alert(1)><script>alert(1)</script>&"
    plain = Tags(render(window(), audio="a.wav", faults=["x"]))
    page = render(window(file=bad, text=bad, notes=[bad], distribution={bad: 1.0}), audio=bad, faults=[bad])
    made = Tags(page)
    assert {tag for tag, _ in made.elements} <= {*(tag for tag, _ in plain.elements), "q"}
    assert sum(tag == "script" for tag, _ in made.elements) == 1
    assert not [attrs for _, attrs in made.elements if any(name.startswith("on") for name in attrs)]
    assert "default-src 'none'" in page and made.text.count(bad) >= 4


def test_the_page_says_how_many_recordings_it_leaves_out():
    page = render_predictions([PageRecording("", [window()])], model="m", total=1200)
    assert "The first 1 of 1,200 recordings are on this page." in page
