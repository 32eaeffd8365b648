"""`--html` of `ambiser predict`: sounds embedded or linked, kept rows of a resumed run, faults."""

import re
from pathlib import Path

import pytest
from inference.conftest import make_tone

from ambiser.errors import UserError
from ambiser.inference import page as pages
from ambiser.inference.output_rows import OutputRow, Shape, columns_of, fields_of, record_of, record_of_fields
from ambiser.inference.page import PageCollector
from ambiser.inference.sources import Source
from ambiser.inference.utterance_prediction import UtterancePrediction


@pytest.mark.parametrize("is_rich", [True, False])
def test_a_line_of_the_table_is_read_back_as_its_object(is_rich):
    made = UtterancePrediction(
        {"happy": 0.25, "sad": 0.75},
        head_jsd_bits={"A_T": 0.5} if is_rich else {},
        prototype_similarity={"sad": 0.5, "happy": -0.25} if is_rich else {},
        notes=("silent", "too short") if is_rich else (),
        prediction_set=("sad", "happy") if is_rich else (),
    )
    row = OutputRow("a.wav", 0.5, 1.25, made, "so\thappy" if is_rich else None)
    shape = Shape(("happy", "sad"), ("A_T",) if is_rich else (), is_rich, is_rich, 3, "whole", "m@1", is_rich)
    fields = dict(zip(columns_of(shape), fields_of(row, shape), strict=True))
    assert record_of_fields(fields) == record_of(row, shape)


def test_small_sounds_are_embedded_and_others_linked(tmp_path):
    small, large = make_tone(tmp_path / "small.wav", seconds=0.1), make_tone(tmp_path / "in" / "a #1:é.wav")
    collector = PageCollector()
    for path in (small, large, Path("gone.wav")):
        collector.add(record(str(path)))
    sources = [Source(str(path), path) for path in (small, large, Path("gone.wav"))]
    collector.write(tmp_path / "pages" / "p.html", sources, model="m", embed_mb=0.005)
    addresses = re.findall(r'<audio [^>]*src="([^"]*)"', (tmp_path / "pages" / "p.html").read_text(encoding="utf-8"))
    assert addresses[0].startswith("data:audio/") and addresses[1:] == ["../in/a%20%231%3A%C3%A9.wav"]


def test_the_page_holds_a_bounded_number_of_recordings(tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "MOST_RECORDINGS", 2)
    collector = PageCollector()
    for name in ("a", "b", "c", "a"):
        collector.add(record(name))
    collector.write(tmp_path / "p.html", [], model="m", embed_mb=1)
    text = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert text.count("<article") == 2 and "The first 2 of 3 recordings" in text and "2 windows" in text


def record(name):
    shape = Shape(("happy", "sad"), (), False, False, 3, "whole", "m")
    return record_of(OutputRow(name, 0.0, 1.0, UtterancePrediction({"happy": 0.25, "sad": 0.75})), shape)


@pytest.mark.parametrize("form", ["tsv", "jsonl"])
def test_a_resumed_run_shows_all_recordings_and_the_faults(ambiser, packed, wavs, tmp_path, form):
    out, page = tmp_path / f"out.{form}", tmp_path / "page.html"
    ambiser("predict", packed, wavs / "a.wav", "--output", out)
    words = ("--output", out, "--resume", "--html", page)
    with pytest.raises(UserError, match="1 input cannot be used"):
        ambiser("predict", packed, wavs, tmp_path / "gone.wav", *words)
    text = page.read_text(encoding="utf-8")
    assert text.count("<article") == 3 and "gone.wav: is missing" in text


def test_options_of_the_page_are_checked(ambiser, packed, wavs, capsys):
    for words, message in (
        (["--html", "page.txt"], "name a file that ends in .html"),
        (["--embed", "-1"], "at least 0"),
    ):
        with pytest.raises(SystemExit):
            ambiser("predict", packed, wavs, *words)
        assert message in capsys.readouterr().err
