"""Reads and writes choice.json: which point of a grid dev chose for a fold, and the dev score of every point."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ambiser.io.files import read_json, write_json
from ambiser.io.layout import Layout, point_tag
from ambiser.io.records import from_json, to_json


@dataclass(frozen=True)
class PointScore:
    """A point of a grid, its dev score and the epoch that has it."""

    point: str
    dev: float
    epoch: int


@dataclass(frozen=True)
class Choice:
    """The choice for one fold.

    Attributes:
        chosen: the name of the chosen point.
        stage: the training stage whose dev scores were compared.
        select: the name of the dev score.
        points: in the order of the grid.
    """

    chosen: str
    stage: str
    select: str
    points: list[PointScore]


@dataclass(frozen=True)
class Tuning:
    """A grid of values by key, and the name of the point that dev chose by fold."""

    grid: dict[str, list[object]]
    chosen: dict[int, str]


def write_choice(path: Path, choice: Choice) -> None:
    """Writes a choice.json by rename; one that says the same already stays, with its time."""
    if not path.is_file() or read_json(path) != to_json(choice):
        write_json(path, to_json(choice))


def read_choice(path: Path) -> Choice:
    """Reads a choice.json.

    Raises:
        DataError: it is damaged.
    """
    return from_json(Choice, read_json(path), str(path))


def chosen_points(layout: Layout, tag: str, folds: Iterable[int]) -> dict[int, str]:
    """Returns the name of the chosen point by fold; folds without a choice, as in an ensemble, are left out."""
    paths = {fold: layout.choice(tag, fold) for fold in folds}
    return {fold: read_choice(path).chosen for fold, path in paths.items() if path.is_file()}


def model_tag(layout: Layout, tag: str, fold: int) -> str:
    """Returns the name of the experiment that trained the model of a fold: of the chosen point, if there is one."""
    path = layout.choice(tag, fold)
    return point_tag(tag, read_choice(path).chosen) if path.is_file() else tag
