"""A small random fold in memory for the tests of training."""

import dataclasses
from pathlib import Path

import numpy as np
import soundfile
import torch

from ambiser.config import Config
from ambiser.features.upstreams.finetune import NO_TOKEN
from ambiser.train.build import TASKS, StageBefore
from ambiser.train.loop import TrainingTask
from ambiser.train.part import FoldData, Part, Shapes
from ambiser.train.waveforms import Change, Waveforms

CLASSES = ("neutral", "happy", "angry", "sad")
SHAPES = Shapes(layers=2, dim=6, text_dim=5, classes=CLASSES)


def make_part(count: int = 60, seed: int = 0, frames: bool = False) -> Part:
    """Makes utterances whose features depend on their class; two in five are ambiguous, one in five has no majority."""
    rng = np.random.default_rng(seed)
    hard = np.arange(count) % 4
    centers = np.random.default_rng(99).normal(size=(4, 2, 6))
    speech = torch.from_numpy((centers[hard] + rng.normal(size=(count, 2, 6))).astype(np.float32))
    if frames:
        lengths = rng.integers(3, 9, count)
        speech = [
            (centers[h, :1] + rng.normal(size=(n, 6))).astype(np.float32) for h, n in zip(hard, lengths, strict=True)
        ]
    kind = np.array([0, 0, 1, 1, 2])[(np.arange(count) // 4) % 5]
    soft = 0.7 * np.eye(4)[hard] + 0.3 * np.eye(4)[(hard + 1) % 4]
    soft[kind == 0] = np.eye(4)[hard[kind == 0]]
    return Part(
        utts=[f"u{i:03}" for i in range(count)],
        speech=speech,
        text=torch.from_numpy(rng.normal(size=(count, 5)).astype(np.float32)),
        soft=torch.from_numpy(soft).float(),
        counts=torch.from_numpy(3 * soft).float(),
        hard=torch.from_numpy(np.where(kind == 2, -1, hard)),
        kind=torch.from_numpy(kind),
    )


def make_waves(folder: Path, count: int = 24, seed: int = 0) -> Part:
    """Makes a part as `make_part` of an eighth to a quarter of a second each; pitch and words depend on the class."""
    part = make_part(count, seed)
    rng = np.random.default_rng(seed)
    paths = []
    for number in range(count):
        time_s = np.arange(rng.integers(2000, 4000)) / 16000
        tone = np.sin(2 * np.pi * 200 * 2 ** (number % 4) * time_s)
        paths.append(folder / f"{seed}-{number}.wav")
        soundfile.write(paths[-1], 0.1 * tone + 0.01 * rng.standard_normal(len(tone)), 16000)
    words = torch.tensor([[2, 5, 8 + number % 2, 3] if number % 3 else [NO_TOKEN] * 4 for number in range(count)])
    return dataclasses.replace(part, speech=Waveforms(paths, Change(0.2), Change(0.2, 6.0, 0.01, 0.2)), text=words)


def with_tokens(part: Part, seed: int = 8) -> Part:
    """Gives the utterances of a part 1 to 4 tokens around their text, and the fourth one none."""
    rng = np.random.default_rng(seed)
    tokens = [row[None] + rng.normal(size=(1 + i % 4, 5)).astype(np.float32) for i, row in enumerate(part.text.numpy())]
    tokens[3] = np.zeros((1, 5), np.float32)
    return dataclasses.replace(part, tokens=tokens, text=torch.from_numpy(np.stack([t.mean(axis=0) for t in tokens])))


def make_task(
    stage: str,
    config: Config,
    train: Part,
    dev: Part,
    shapes: Shapes = SHAPES,
    *,
    fold: int = 1,
    before: tuple[str, dict[str, torch.Tensor]] | None = None,
) -> TrainingTask:
    """Builds the task of a stage; `before` is the name and the tensors of the stage that it starts from."""
    return TASKS[stage].make(config, FoldData(fold, train, dev, shapes), StageBefore(*before) if before else None)
