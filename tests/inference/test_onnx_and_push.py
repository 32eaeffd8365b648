"""`ambiser pack --onnx`, with parity in onnxruntime, and `--push` to a hub that is not there."""

import shutil
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import requests
import torch
from inference.conftest import make_config, make_experiment, sharpened

from ambiser.errors import ConfigError, DataError, UserError
from ambiser.inference.model import load_model, read_config
from ambiser.inference.model_folder import read_record
from ambiser.inference.networks import load_network
from ambiser.inference.onnx_heads import export_heads
from ambiser.inference.packing import PackOptions, pack
from ambiser.inference.push import check_push, push
from ambiser.inference.shipped import find_shipped
from ambiser.train.heads_module import Heads, Member

TEXT = {"student": "AT", "fusion": "gated"}
CONFIGS = {
    "speech": {"score": {"calibration": "vector"}},
    "text": {"amber": TEXT},
    "modality dropout": {"amber": TEXT | {"modality_dropout": 0.2}},
    "evidential": {"amber": {"student": "A", "guidance": 0, "teacher": 0, "evidential": True}},
    "classifier": {"stages": ["prototypes"]},
    "prototypes": {"stages": ["prototypes"], "ipr": {"predict_by": "prototypes"}},
}


def pack_one(tmp_path, sections, *, onnx):
    config = make_config(**sections)
    fitted = sharpened() if config.score.calibration == "vector" else None
    pack([make_experiment(tmp_path, config, calibration=fitted)], tmp_path / "m", PackOptions(name="m", onnx=onnx))
    return tmp_path / "m"


def examples(model):
    """Features of four utterances, the last without words."""
    rng = np.random.default_rng(0)
    speech = rng.standard_normal((4, 1, 480)).astype(np.float32)
    text = rng.standard_normal((4, 256)).astype(np.float32) if model.uses_text else None
    if text is not None:
        text[-1] = 0
    made = model.predict_features(list(speech), [None] * 4 if text is None else [row[None] for row in text])
    return speech, text, [list(one.distribution.values()) for one in made]


@pytest.mark.parametrize("name", CONFIGS)
def test_the_module_predicts_as_the_model(tmp_path, name):
    folder = pack_one(tmp_path, CONFIGS[name], onnx=False)
    model, record = load_model(folder), read_record(folder)
    speech, text, expected = examples(model)
    members = []
    for one in record.members:
        config = model._configs[one.config]
        loaded = load_network(folder, one, config, classes=record.classes, stage=record.stage)
        fit = None if one.calibration is None else (one.calibration.scale, one.calibration.bias)
        members.append(Member(config, loaded.tensors, loaded.shapes, fit))
    with torch.no_grad():
        made = Heads(members)(torch.from_numpy(speech), None if text is None else torch.from_numpy(text))
    np.testing.assert_allclose(made.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["speech", "text", "prototypes"])
def test_onnxruntime_gives_the_same_probabilities(tmp_path, name):
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: heads.onnx was not compared")
    pytest.importorskip("onnx", reason="onnx is not installed: heads.onnx was not compared")
    folder = pack_one(tmp_path, CONFIGS[name], onnx=True)
    model = load_model(folder)
    assert "heads.onnx" in read_record(folder).files and "`heads.onnx`" in (folder / "README.md").read_text()
    speech, text, expected = examples(model)
    session = runtime.InferenceSession(folder / "heads.onnx")
    inputs = {"speech": speech} | ({} if text is None else {"text": text})
    np.testing.assert_allclose(session.run(["probs"], inputs)[0], expected, atol=1e-5)
    one = {key: value[:1] for key, value in inputs.items()}  # another number of utterances than in the export
    np.testing.assert_allclose(session.run(None, one)[0], expected[:1], atol=1e-5)


def test_a_model_on_several_layers_takes_any_number_of_utterances(tmp_path):
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: heads.onnx was not compared")
    pytest.importorskip("onnx", reason="onnx is not installed: heads.onnx was not compared")
    folder = shutil.copytree(find_shipped("crema_d_whisper_tiny"), tmp_path / "m")
    record = read_record(folder)
    configs = {one.config: read_config(folder / one.config) for one in record.members}
    session = runtime.InferenceSession(export_heads(folder, record.members, configs, record.classes))
    speech = np.random.default_rng(0).standard_normal((7, 5, 384)).astype(np.float32)
    expected = [list(one.distribution.values()) for one in load_model(folder).predict_features(speech, [None] * 7)]
    np.testing.assert_allclose(session.run(None, {"speech": speech})[0], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"amber": {"student": "A", "guidance": 0, "teacher": 0, "mc_dropout": 3}}, "draws dropout at random"),
        ({"stages": ["prototypes"], "ipr": {"predict_by": "gaussian"}}, "predicts by Gaussian prototypes"),
        ({"speech_features": {"upstream": "fbank", "form": "frames"}}, "reads frames or tokens"),
    ],
)
def test_heads_without_a_form_in_onnx_are_refused(sections, message):
    with pytest.raises(ConfigError, match=f"--onnx: the model {message}.*; leave out --onnx"):
        Member(make_config(**sections), {}, None, None)


def test_without_onnx_the_message_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ConfigError, match=r"--onnx needs the package onnx; run pip install onnx"):
        pack([], tmp_path / "m", PackOptions(name="m", onnx=True))


class FakeApi:
    """Stands in for `huggingface_hub.HfApi` and keeps what it is asked."""

    def __init__(self, token="x", fault=None):
        self.token, self.fault, self.asked = token, fault, []

    def create_repo(self, name, **options):
        self.asked.append(SimpleNamespace(name=name, **options))
        return f"https://hub/{name}"

    def upload_folder(self, **options):
        if self.fault:
            raise self.fault
        self.asked.append(SimpleNamespace(**options))


def test_a_model_is_pushed_in_one_commit_to_a_private_repository(packed):
    api = FakeApi()
    assert push(packed, "me/small", api) == "https://hub/me/small"
    repository, upload = api.asked
    assert repository.name == upload.repo_id == "me/small" and repository.private and repository.exist_ok
    files = {path.relative_to(packed).as_posix() for path in packed.rglob("*") if path.is_file()}
    assert set(upload.allow_patterns) == files and upload.folder_path == packed


def test_faults_of_a_push_are_one_line(packed, wavs):
    with pytest.raises(ConfigError, match="--push me/small: there is no token of Hugging Face; run `hf auth login`"):
        check_push("me/small", FakeApi(token=None))
    with pytest.raises(ConfigError, match="--push small: must be USER/NAME"):
        check_push("small", FakeApi())
    with pytest.raises(UserError, match="--push me/small: No route to host; the packed model is in .* hf upload "):
        push(packed, "me/small", FakeApi(fault=OSError("No route to host\nat all")))
    with pytest.raises(UserError, match="--push me/small: https://[^ ]* cannot be reached; the packed model is in "):
        push(packed, "me/small", FakeApi(fault=requests.ConnectionError("a long address")))
    with pytest.raises(DataError, match="is no model"):
        push(wavs, "me/small", FakeApi())
