"""Packed models of random heads on filter banks, and recordings for them."""

import dataclasses
import io
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from features.conftest import no_workers, one_thread, speech_folders, text_folder  # noqa: F401 - fixtures
from scoring import made_results
from scoring.conftest import _votes_and_predictions

from ambiser.bin import ambiser as command
from ambiser.config import Config, dump_yaml
from ambiser.inference.packing import PackOptions, pack
from ambiser.io.files import write_text
from ambiser.scoring.results import FittedCalibration, ScaleAndBias
from ambiser.scoring.results_file import write_results
from ambiser.scoring.stamp import config_hash
from ambiser.train.build import build_amber, build_ipr
from ambiser.train.checkpoint import save_best
from ambiser.train.ipr_checkpoint import join_modules
from ambiser.train.part import Shapes

CLASSES = ("neutral", "happy", "angry", "sad")
SPEECH = {"upstream": "fbank_no_cmvn", "form": "pooled", "statistics": "mean_std"}
SHAPES = Shapes(layers=1, dim=480, text_dim=256, classes=CLASSES)
AMBER = {"student": "A", "guidance": 0, "teacher": 0}
SMALL = {"hidden": 8, "projection": 6}
"""480 values: mean and deviation of 80 filter banks with their first and second differences."""


def make_config(**sections) -> Config:
    return Config.model_validate({"speech_features": SPEECH, "model": SMALL, "amber": AMBER, **sections})


def make_experiment(
    folder: Path,
    config: Config,
    *,
    seed: int = 1,
    folds=(1, 2),
    calibration=None,
    layers: int = 1,
    dim: int = 480,
    text_dim: int = 256,
) -> Path:
    """Writes what stages 3 to 7 leave of an experiment that pack reads; the weights are random."""
    exp = folder / f"made-fbank-s{seed}"
    stage = config.stages[-1]
    for fold in folds:
        torch.manual_seed(100 * seed + fold)
        if stage == "distill":
            shapes = dataclasses.replace(
                SHAPES, layers=layers, dim=dim, text_dim=text_dim if config.needs_text() else 0
            )
            modules = build_amber(config, shapes)
        else:
            from ambiser.models.prototypes import PrototypeMemory

            shapes = dataclasses.replace(SHAPES, layers=layers, dim=dim, text_dim=0)
            memory = PrototypeMemory(4, config.model.projection, 7)
            memory.prototypes.copy_(torch.nn.functional.normalize(torch.randn(4, config.model.projection), dim=1))
            modules = join_modules(build_ipr(config, shapes), memory)
        facts = {"layers": shapes.layers, "dim": dim, "text_dim": shapes.text_dim, "classes": list(CLASSES)}
        save_best(exp / f"fold{fold}" / stage / "best.safetensors", modules.state_dict(), facts)
    write_text(exp / "config.yaml", dump_yaml(config.model_dump(mode="json")))
    results = made_results.make_results(
        _votes_and_predictions,
        seed=seed,
        calibration=calibration,
        class_names=list(CLASSES),
        classes=config.labels.model_dump(mode="json")["classes"],
        folds=list(folds),
        all_folds=list(folds),
        stages=list(config.stages),
        config_hash=config_hash(config),
    )
    write_results(exp / "results.json", results)
    return exp


def sharpened(folds=(1, 2)) -> FittedCalibration:
    """A calibration that doubles the log-probabilities of every fold."""
    before = made_results.make_results(_votes_and_predictions).scores.pooled.scores
    scale = {fold: ScaleAndBias([2.0] * 4, [0.0] * 4) for fold in folds}
    return FittedCalibration(kind="temperature", before=before, fitted_on="dev", folds=scale)


def make_tone(path: Path, *, seconds: float = 0.5, rate: int = 16000, channels: int = 1, hz: float = 220.0) -> Path:
    """Writes a noisy tone; with several channels, each has its own pitch."""
    time_s = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(int(hz)).standard_normal((len(time_s), channels))
    tones = np.stack([np.sin(2 * np.pi * hz * (1 + channel) * time_s) for channel in range(channels)], axis=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.2 * tones + 0.02 * noise, rate)
    return path


@pytest.fixture(scope="session")
def packed(tmp_path_factory) -> Path:
    """A model of two folds that hears alone."""
    folder = tmp_path_factory.mktemp("packed")
    pack([make_experiment(folder, make_config())], folder / "model", PackOptions(name="small"))
    return folder / "model"


@pytest.fixture(scope="session")
def packed_text(tmp_path_factory) -> Path:
    """A model of one fold with three heads, whose student reads text."""
    folder = tmp_path_factory.mktemp("packed_text")
    config = make_config(amber={"student": "AT"})
    pack([make_experiment(folder, config, folds=(1,))], folder / "model", PackOptions(name="words"))
    return folder / "model"


@pytest.fixture(scope="session")
def packed_ipr(tmp_path_factory) -> Path:
    """A model with prototypes, of two folds."""
    folder = tmp_path_factory.mktemp("packed_ipr")
    exp = make_experiment(folder, make_config(stages=["prototypes"]))
    pack([exp], folder / "model", PackOptions(name="prototypes"))
    return folder / "model"


@pytest.fixture(scope="session")
def wavs(tmp_path_factory) -> Path:
    """A folder with three recordings: 16 kHz, 44.1 kHz with two channels, and a FLAC at 8 kHz in a subfolder."""
    folder = tmp_path_factory.mktemp("wavs")
    make_tone(folder / "a.wav")
    make_tone(folder / "b.wav", rate=44100, channels=2, hz=330, seconds=0.7)
    make_tone(folder / "more" / "c.flac", rate=8000, hz=180)
    return folder


@pytest.fixture
def ambiser(monkeypatch, capsys):
    """Runs the command in this process and returns what it printed."""

    def run(*words, stdin=b""):
        monkeypatch.setattr(sys, "argv", ["ambiser", *map(str, words)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        command.main()
        return capsys.readouterr().out

    return run
