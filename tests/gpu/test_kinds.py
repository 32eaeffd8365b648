"""Every kind of model trains and predicts on a pretended GPU as on the CPU: no tensor is left on the wrong device."""

import pytest
import torch
from gpu.kinds import KINDS, TRAINED_ENCODERS, run_kind, run_trained_encoders
from gpu.pretended import pretended_gpu


def assert_close(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], tolerance: float) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].device.type == "cpu"
        assert torch.allclose(found[name].double(), value.double(), atol=tolerance), name


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_model_trains_and_predicts(kind, tmp_path, monkeypatch):
    expected = run_kind(KINDS[kind], tmp_path / "cpu", "cpu")
    with pretended_gpu(monkeypatch):
        found = run_kind(KINDS[kind], tmp_path / "gpu", "cuda")
    assert_close(found, expected, 1e-5)


@pytest.mark.parametrize("kind", TRAINED_ENCODERS)
def test_encoders_train(kind, speech_folders, text_folder, tmp_path, monkeypatch):
    models = speech_folders["wav2vec2"], text_folder
    expected = run_trained_encoders(TRAINED_ENCODERS[kind], models, tmp_path / "cpu", "cpu")
    with pretended_gpu(monkeypatch):
        found = run_trained_encoders(TRAINED_ENCODERS[kind], models, tmp_path / "gpu", "cuda")
    assert_close(found, expected, 1e-4)
