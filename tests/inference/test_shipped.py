"""The models that come with the package: complete, small, packaged, and equal to what their recipe predicted."""

import os
from pathlib import Path

import numpy as np
import pytest

from ambiser.bin import ambiser
from ambiser.inference.model import load_model
from ambiser.inference.model_folder import read_record
from ambiser.inference.shipped import SHIPPED, find_shipped, shipped_names


@pytest.mark.parametrize("name", shipped_names())
def test_a_shipped_model_is_whole_and_small(name):
    folder = find_shipped(name)
    record = read_record(folder)  # checks every SHA-256
    assert record.name == name and len(record.members) == 5
    assert sum(path.stat().st_size for path in folder.rglob("*")) < 2e6
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == {*record.files, "model.json", "README.md"}


@pytest.mark.parametrize("name", shipped_names())
def test_its_networks_predict(name):
    model = load_model(name)
    speech = np.random.default_rng(0).standard_normal((3, 5, 384)).astype(np.float32)
    for made in model.predict_features(list(speech), [None] * 3):
        assert sum(made.distribution.values()) == pytest.approx(1)
        assert tuple(made.distribution) == model.classes and made.label in made.prediction_set


@pytest.mark.parametrize("name", shipped_names())
def test_its_card_and_info_show_what_its_sets_hold(name, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["ambiser", "info", name])
    ambiser.main()
    sentence = "Prediction sets (aps, calibrated on dev by votes to cover 90%) cover 89.9% of the votes on test"
    assert sentence in capsys.readouterr().out
    assert sentence in (find_shipped(name) / "README.md").read_text(encoding="utf-8")


def test_the_readme_of_the_shipped_models_lists_them_all():
    text = (SHIPPED / "README.md").read_text(encoding="utf-8")
    assert shipped_names() and all(f"]({name}/README.md)" in text for name in shipped_names())


def test_the_shipped_model_predicts_a_recording(tmp_path):
    """Needs the weights of Whisper tiny.en, in the folder that AMBISER_WHISPER_TINY_EN names."""
    from inference.conftest import make_tone

    folder = os.environ.get("AMBISER_WHISPER_TINY_EN", "")
    if not Path(folder, "model.safetensors").is_file():
        pytest.skip("AMBISER_WHISPER_TINY_EN names no folder with the weights of Whisper tiny.en")
    import soundfile

    model = load_model("crema_d_whisper_tiny", upstream=folder)
    wav, rate = soundfile.read(make_tone(tmp_path / "a.wav", rate=48000, seconds=2), dtype="float32")
    assert sum(model.predict(wav, rate).distribution.values()) == pytest.approx(1)
