"""A small random fold in memory for the tests of training."""

import numpy as np
import torch

from ambiser.train.fold import Part, Shapes

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
