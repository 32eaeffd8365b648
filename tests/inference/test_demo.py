"""`ambiser demo`: what its function answers, and the page without a server."""

import html
import sys

import numpy as np
import pytest
import soundfile
from inference.conftest import make_tone

from ambiser.errors import ConfigError
from ambiser.inference.demo import answer, build_demo, describe_recording
from ambiser.inference.model import load_model


def test_the_answer_is_the_prediction_in_a_frame_without_rights(packed, wavs):
    model = load_model(packed)
    frame = answer(model)(str(wavs / "a.wav"), "")
    assert frame.startswith('<iframe sandbox srcdoc="') and "<script" not in frame
    page = html.unescape(frame)
    samples, rate = soundfile.read(wavs / "a.wav", dtype="float32")
    made = model.predict(samples, rate)
    assert f"width:{100 * made.distribution[made.label]:.1f}%" in page and f"<b>{made.label}</b>" in page
    assert "Two raters choose the same class" in page and str(wavs) not in page and "<h1>" not in page


def test_a_long_recording_has_curves_and_a_text_model_reads_the_words(packed, packed_text, tmp_path):
    path = make_tone(tmp_path / "long.wav", seconds=16, rate=8000)
    assert describe_recording(load_model(packed), path).count("<polyline") == 5
    page = describe_recording(load_model(packed_text), make_tone(tmp_path / "a.wav"), "so happy")
    assert "<q>so happy</q>" in page and "speech against text" in page


def test_faults_are_shown_without_the_path_of_this_machine(packed, tmp_path):
    soundfile.write(tmp_path / "nan.wav", np.full(800, np.nan), 16000, subtype="FLOAT")
    page = html.unescape(answer(load_model(packed))(str(tmp_path / "nan.wav"), ""))
    assert "nan.wav: holds samples that are not finite" in page and str(tmp_path) not in page
    assert answer(load_model(packed))(None, "") == ""


def test_the_page_is_built_without_a_server(packed):
    pytest.importorskip("gradio", reason="gradio is not installed: the page of the demo was not built")
    page = build_demo(load_model(packed))
    kinds = [block["type"] for block in page.config["components"]]
    assert {"audio", "button", "html"} <= set(kinds)


def test_without_gradio_the_message_names_the_extra(packed, monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(ConfigError, match=r"needs the package gradio; run pip install 'gradio<6'"):
        build_demo(load_model(packed))
