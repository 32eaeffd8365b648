import re
from xml.etree import ElementTree

import numpy as np

from ambiser.report.figure_style import COLORS, INK, new_figure, take_picture
from ambiser.report.score_figures import draw_matrix


def _draw():
    figure, axis = new_figure(2.0)
    draw_matrix(axis, np.array([[1.0, -0.5], [0.0, 0.25]]), [["a", "b"], ["c", "d"]], ["yes", "no"])
    axis.axvline(0.5, color=COLORS[0])
    axis.set_xlabel("below")
    return figure


def test_a_picture_is_the_same_every_time_in_all_its_forms(tmp_path):
    where = [{"folder": tmp_path / str(i), "formats": ("png", "pdf")} for i in range(2)]
    taken = [take_picture(_draw, name="x", caption="a & b", **one) for one in where]
    assert taken[0] == taken[1]
    for ending, head in (("png", b"\x89PNG"), ("pdf", b"%PDF")):
        first, second = ((tmp_path / str(i) / f"x.{ending}").read_bytes() for i in range(2))
        assert first == second and first.startswith(head)
        assert b"CreationDate" not in first


def test_the_svg_suits_light_and_dark_pages_and_any_width(tmp_path):
    svg = take_picture(_draw, name="x", caption='a & "b"', folder=tmp_path).svg
    root = ElementTree.fromstring(svg)
    assert root.get("viewBox") and root.get("width") is None and root.get("height") is None
    assert root.get("role") == "img" and root.get("aria-label") == 'a & "b"'
    assert INK not in svg.lower() and COLORS[0].lower() not in svg.lower()
    assert "currentColor" in svg and "var(--blue)" in svg and "var(--orange)" in svg
    assert {"yes", "no", "below", "a", "d"} <= {text.text.strip() for text in root.iter() if text.tag.endswith("text")}
    used = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", svg))
    assert used <= set(re.findall(r' id="([^"]+)"', svg)), "what is referred to is there"


def test_png_and_pdf_are_drawn_again_only_for_another_drawing_or_a_lost_file(tmp_path):
    def written(draw, formats=("png", "pdf")) -> set[str]:
        before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
        take_picture(draw, name="x.y", caption="c", folder=tmp_path, formats=formats)
        return {path.name for path in tmp_path.iterdir() if path.stat().st_mtime_ns != before.get(path.name)}

    def other():
        figure = _draw()
        figure.axes[0].set_xlabel("above")
        return figure

    everything = {"x.y.svg", "x.y.png", "x.y.pdf"}
    assert written(_draw) == everything
    assert written(_draw) == set()
    assert written(other) == everything
    (tmp_path / "x.y.pdf").unlink()
    assert "x.y.pdf" in written(other)
    assert written(other, formats=()) == set() and (tmp_path / "x.y.pdf").is_file(), "they show the same drawing"
    assert written(_draw, formats=["png"]) == {"x.y.svg", "x.y.png"}
    assert not (tmp_path / "x.y.pdf").exists(), "it showed the other drawing"
