from dataclasses import dataclass, replace

import numpy as np
import pytest

from ambiser.report import drawn_before
from ambiser.report.drawn_before import input_digest, read_drawn
from ambiser.report.figure_style import new_figure, take_picture


@dataclass(frozen=True)
class _Shown:
    names: tuple[str, ...]
    values: np.ndarray
    scores: dict[str, float | None]


_SHOWN = _Shown(("a", "b"), np.array([1.0, 2.0]), {"ua": 0.5, "bc": None})
_OTHERS = [
    replace(_SHOWN, names=("ab",)),
    replace(_SHOWN, values=np.array([1.0, 2.5])),
    replace(_SHOWN, values=np.array([[1.0], [2.0]])),
    replace(_SHOWN, values=np.array([1.0, 2.0], dtype=np.float32)),
    replace(_SHOWN, scores={"ua": 0.5, "bc": 0.0}),
    replace(_SHOWN, scores={"ua": 0.5}),
]


def test_each_change_of_the_inputs_changes_their_digest(monkeypatch):
    digests = {input_digest(one) for one in (_SHOWN, *_OTHERS)}
    assert len(digests) == 1 + len(_OTHERS)
    same = replace(_SHOWN, values=_SHOWN.values.copy())
    assert input_digest(same) == input_digest(_SHOWN) != input_digest(_SHOWN, 0)
    with pytest.raises(TypeError, match="type object"):
        input_digest([object()])
    monkeypatch.setattr(drawn_before, "_code_digest", lambda: "another version")
    assert input_digest(_SHOWN) not in digests


def _take(folder, inputs, label="x", formats=()):
    """Takes a picture of a labeled axis; returns it, and how often it was drawn."""
    drawn = []

    def draw():
        figure, axis = new_figure(1.0)
        axis.set_xlabel(label)
        drawn.append(figure)
        return figure

    return take_picture(draw, name="x", caption="c", folder=folder, formats=formats, inputs=inputs), len(drawn)


def test_a_figure_with_the_same_inputs_is_not_drawn_again(tmp_path):
    first, count = _take(tmp_path, "a" * 64)
    assert count == 1 and _take(tmp_path, "a" * 64) == (first, 0)
    assert _take(tmp_path, "b" * 64) == (first, 1), "inputs changed, the drawing did not"
    assert _take(tmp_path, "b" * 64, formats=["png"]) == (first, 1), "there is no PNG yet"
    png = (tmp_path / "x.png").stat().st_mtime_ns
    assert _take(tmp_path, "a" * 64) == (first, 1) and (tmp_path / "x.png").stat().st_mtime_ns == png
    assert _take(tmp_path, "c" * 64, label="y")[1] == 1 and not (tmp_path / "x.png").exists()
    assert _take(tmp_path, "")[1] == 1 and read_drawn(tmp_path / "x.svg").inputs == "", "of unknown inputs"


def test_an_edited_figure_is_drawn_again(tmp_path):
    first, _ = _take(tmp_path, "a" * 64)
    path = tmp_path / "x.svg"
    path.write_text(path.read_text().replace("x</text>", "edited</text>"))
    assert "edited" in path.read_text() and _take(tmp_path, "a" * 64) == (first, 1)
    assert _take(tmp_path, "a" * 64) == (first, 0)
