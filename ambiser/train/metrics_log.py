"""Writes the learning curves of a training to metrics.jsonl and TensorBoard."""

import json
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from ambiser.io.files import write_text

_CELL = 48  # width and height in pixels of one cell of a matrix


class Curves:
    """Writes metrics.jsonl, by rename after each epoch, and events for TensorBoard.

    In TensorBoard a matrix over classes is one curve per pair of classes and an image, with +1 white and -1 black.
    """

    def __init__(self, folder: Path, history: list[dict], tensorboard: bool, classes: Sequence[str]) -> None:
        self.path, self.classes = folder / "metrics.jsonl", classes
        self.lines: list[dict] = []
        self.writer = None
        if tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            # A resumed training writes all epochs again; old events would show each curve twice.
            for old in sorted((folder / "tensorboard").glob("events.*")):
                old.unlink()
            self.writer = SummaryWriter(str(folder / "tensorboard"))
        for line in history:
            self.add(line)

    def add(self, line: dict) -> None:
        """Adds the numbers of an epoch."""
        self.lines.append(line)
        write_text(self.path, "".join(json.dumps(item, sort_keys=True) + "\n" for item in self.lines))
        if self.writer is None:
            return
        for name, value in line.items():
            if isinstance(value, float):
                self.writer.add_scalar(name, value, line["epoch"])
            elif isinstance(value, list):
                self._show_matrix(name, np.array(value), line["epoch"])

    def close(self) -> None:
        """Flushes and closes the events."""
        if self.writer is not None:
            self.writer.close()

    def _show_matrix(self, name: str, matrix: np.ndarray, epoch: int) -> None:
        """Adds a (C, C) matrix with values in [-1, 1]."""
        names = self.classes or range(len(matrix))
        for i, j in combinations(range(len(matrix)), 2):
            self.writer.add_scalar(f"{name}/{names[i]}-{names[j]}", matrix[i, j], epoch)
        picture = np.kron((1 + matrix) / 2, np.ones((_CELL, _CELL)))
        self.writer.add_image(f"{name}/matrix", picture, epoch, dataformats="HW")
