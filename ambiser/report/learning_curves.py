"""Reads the learning curves of an experiment, and joins its stages on one axis of epochs."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ambiser.errors import DataError
from ambiser.io.choice_file import model_tag
from ambiser.io.files import parse_json
from ambiser.io.layout import Layout

Value = Callable[[dict], float | None]


@dataclass(frozen=True)
class StageCurves:
    """One training stage: its name, the epochs before it, and per fold the lines of metrics.jsonl, a dict per epoch."""

    name: str
    start: int
    folds: dict[int, list[dict]]

    @property
    def epochs(self) -> int:
        """The epochs of the longest fold."""
        return max(len(lines) for lines in self.folds.values())


@dataclass(frozen=True)
class Curve:
    """(E,) epochs on the common axis and (E,) values, NaN where there is none."""

    epochs: np.ndarray
    values: np.ndarray


def read_curves(layout: Layout, tag: str, stages: Iterable[str], folds: Iterable[int]) -> list[StageCurves]:
    """Reads metrics.jsonl of every stage and fold; a stage or fold without one is left out.

    Raises:
        DataError: a line is not a JSON object, with file and line.
    """
    found: list[StageCurves] = []
    start = 0
    folds = list(folds)
    for name in stages:
        folders = {fold: layout.training(model_tag(layout, tag, fold), fold, name) for fold in folds}
        paths = {fold: folder / "metrics.jsonl" for fold, folder in folders.items()}
        lines = {fold: _read_lines(path) for fold, path in paths.items() if path.is_file()}
        lines = {fold: content for fold, content in lines.items() if content}
        if lines:
            found.append(StageCurves(name, start, lines))
            start += found[-1].epochs
    return found


def fold_lines(stage: StageCurves, value: Value) -> list[Curve]:
    """Returns a line for each fold; `value` picks a number out of an epoch's dict, or None."""
    lines = []
    for content in stage.folds.values():
        values = [value(epoch) for epoch in content]
        numbers = np.array([np.nan if v is None else v for v in values], dtype=float)
        lines.append(Curve(stage.start + np.arange(1, len(numbers) + 1), numbers))
    return lines


def mean_line(stage: StageCurves, value: Value) -> Curve:
    """Returns the mean over folds up to the last epoch of the shortest: the mean would jump where a fold stops."""
    lines = fold_lines(stage, value)
    length = min(len(line.values) for line in lines)
    return Curve(lines[0].epochs[:length], np.mean([line.values[:length] for line in lines], axis=0))


def has(stages: Iterable[StageCurves], key: str) -> bool:
    """Whether any epoch of any stage has a value for a key."""
    return any(epoch.get(key) is not None for stage in stages for lines in stage.folds.values() for epoch in lines)


def last_matrix(stages: Iterable[StageCurves], key: str) -> np.ndarray | None:
    """Returns the mean over folds of a matrix in the best epoch of the last stage that has it, or None."""
    for stage in reversed(list(stages)):
        matrices = [matrix for lines in stage.folds.values() if (matrix := best_epoch(lines).get(key)) is not None]
        if matrices:
            return np.mean(np.array(matrices, dtype=float), axis=0)
    return None


def best_epoch(lines: list[dict]) -> dict:
    """Returns the epoch that was kept: the last one marked best, or the last where none is marked."""
    return next((epoch for epoch in reversed(lines) if epoch.get("best")), lines[-1])


def kept_epochs(stages: Iterable[StageCurves]) -> dict[str, dict[int, int]]:
    """Returns the number of the epoch that was kept, by stage and fold."""
    return {stage.name: {fold: best_epoch(lines)["epoch"] for fold, lines in stage.folds.items()} for stage in stages}


def _read_lines(path: Path) -> list[dict]:
    lines = []
    for number, content in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            line = parse_json(content.decode("utf-8"))
        except ValueError:
            line = None
        if not isinstance(line, dict):
            raise DataError(f"{path}:{number}: is not a JSON object; train the stage again")
        lines.append(line)
    return lines
