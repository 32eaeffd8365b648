"""Grids of values among which dev chooses, per fold: reads `--tune`, checks `tune`, gives the configuration per point.

A grid maps keys to lists of values; its points are all combinations, the last key varying fastest. A key without a
section is one of the last training stage, so `epochs` suits experiments with different stages.
"""

import functools
import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from ambiser.config.faults import Keys, describe_fault, is_section
from ambiser.config.resolved import flatten
from ambiser.config.schema import Config
from ambiser.config.used_keys import unused_keys
from ambiser.errors import ConfigError
from ambiser.stages import TRAINING_STAGES

MOST_POINTS = 200
_LONGEST_NAME = 150  # bytes; file systems allow 255
_BY_STAGES = ("finetune", "ipr", "amber", *TRAINING_STAGES)
"""Sections whose use in an experiment no point of a grid changes."""
_TUNABLE = ("model", "gaussian", *_BY_STAGES)
_NO_PART = "it plays no part in this experiment"
_FIXED = {
    "model.encoder": "it changes the input of the experiment",
    "model.text_encoder": "it changes the input of the experiment",
    "amber.student": "it changes the input of the experiment",
    "amber.mc_dropout": "the dev score is computed without it",
    "ipr.oracle": "it changes which labels training sees",
    "ipr.class_shares": "it changes which labels training sees",
    "ipr.precise_kept": "it changes which labels training sees",
}
Grid = dict[str, list]


@dataclass(frozen=True)
class Point:
    """A combination of values: its name, which is the name of its folder, and its configuration, which has no grid."""

    name: str
    config: Config


def read_grid(words: Iterable[str]) -> tuple[dict[str, list[str]], dict[str, str], list[str]]:
    """Reads the words of `--tune`, each "KEY=VALUE,VALUE... KEY=VALUE,...".

    Returns:
        The values by key, as text; where each key was given; and a line per fault.
    """
    grid: dict[str, list[str]] = {}
    origins: dict[str, str] = {}
    faults = []
    for piece in (piece for word in words for piece in word.split()):
        key, _, values = piece.partition("=")
        listed = values.split(",")
        if not key or not all(listed):
            faults.append(f"--tune {piece}: must look like key=value,value, for example amber.guidance=0.3,0.5")
        elif key in grid:
            faults.append(f"--tune {piece}: {key} is given twice; give all its values at once")
        else:
            grid[key], origins[key] = listed, f"--tune {piece}"
    return grid, origins, faults


def check_grid(config: Config, origins: Mapping[Keys, str]) -> tuple[Config, list[str]]:
    """Checks the grid of a configuration.

    Args:
        config: its grid as given.
        origins: where each key was given, such as "FILE:LINE".

    Returns:
        The configuration with whole keys and typed values in its grid, and a line per fault.
    """
    grid: Grid = {}
    faults = []
    for given, values in config.tune.items():
        key = given if "." in given or given in Config.model_fields else f"{config.stages[-1]}.{given}"
        where = origins.get(("tune", given)) or origins.get(("tune",), "tune")
        if key in grid:
            faults.append(f"{where}: {key} is given twice; give all its values at once")
        if fault := _check_key(key, config, where):
            faults.append(fault)
            continue
        grid[key], found = _check_values(key, values, where)
        faults += found
    if faults or not grid:
        return config, faults
    tuned = config.model_copy(update={"tune": grid})
    return tuned, _check_points(tuned, origins.get(("tune",), "tune"))


@functools.lru_cache(16)
def points(config: Config) -> tuple[Point, ...]:
    """Returns the points of a checked grid in order; none without a grid.

    Raises:
        ConfigError: values that are valid alone do not fit together, with a line per fault.
    """
    if not config.tune:
        return ()
    tree = config.model_dump(mode="json", exclude={"tune"})
    made, faults = [], []
    for values in itertools.product(*config.tune.values()):
        chosen = dict(zip(config.tune, values, strict=True))
        name, own = point_name(chosen), dict(tree)
        for key, value in chosen.items():
            section, _, last = key.partition(".")
            own[section] = {**own[section], last: value}
        try:
            made.append(Point(name, Config.model_validate(own)))
        except ValidationError as error:
            faults += [describe_fault(fault, Config, {}, name) for fault in error.errors()]
    if faults:
        raise ConfigError("\n".join(faults))
    return tuple(made)


def point_name(values: Mapping[str, object]) -> str:
    """Returns the name of a point, such as "temperature=0.125,guidance=0.3"; keys of one name keep their sections."""
    last = [key.rpartition(".")[2] for key in values]
    pieces = [
        f"{short if last.count(short) == 1 else key}={_text(value)}"
        for short, (key, value) in zip(last, values.items(), strict=True)
    ]
    return ",".join(pieces)


def _text(value: object) -> str:
    if isinstance(value, list):
        return ":".join(map(_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check_key(key: str, config: Config, where: str) -> str:
    """Returns a line when a key is unknown, cannot be tuned or plays no part in the experiment; else ""."""
    field, keys = _field(key), tuple(key.split("."))
    if field is None:
        return describe_fault({"type": "extra_forbidden", "loc": keys}, Config, {keys: where}, where)
    if is_section(field.annotation):
        return f"{where}: {key} is a section; name its keys, such as {key}.{next(iter(field.annotation.model_fields))}"
    reason = _why_fixed(key, config)
    return f"{where}: {key} cannot be tuned: {reason}" if reason else ""


def _field(key: str) -> FieldInfo | None:
    """Returns the field of a dotted key, or None where the schema has none."""
    schema, field = Config, None
    for name in key.split("."):
        field = schema.model_fields.get(name) if is_section(schema) else None
        schema = field.annotation if field else None
    return field


def _why_fixed(key: str, config: Config) -> str:
    """Returns why a key cannot be tuned in this experiment, or ""."""
    section = key.partition(".")[0]
    if section not in _TUNABLE:
        return f"it may change the data or what is scored; a grid takes keys of {', '.join(_TUNABLE)}"
    if key in _FIXED:
        return _FIXED[key]
    if key == f"{config.stages[-1]}.select":
        return "the points are compared by this dev score"
    return _NO_PART if section in _BY_STAGES and section in unused_keys(config) else ""


def _check_values(key: str, values: list, where: str) -> tuple[list, list[str]]:
    """Returns the values with the type of the key, and a line per fault."""
    field, keys = _field(key), tuple(key.split("."))
    if not values:
        return [], [f"{where}: {key}: has no values"]
    # The type as the section declares it, with its range; `Field` only keeps Annotated from being empty.
    kind = Annotated[(field.annotation, Field(), *field.metadata)]
    adapter = TypeAdapter(kind, config=ConfigDict(allow_inf_nan=False))
    typed, faults = [], []
    for value in values:
        try:
            typed.append(adapter.validate_python(value))
        except ValidationError as error:
            found = ({**fault, "loc": (*keys, *fault["loc"])} for fault in error.errors())
            faults += [describe_fault(fault, Config, {keys: where}, where) for fault in found]
    twice = [value for i, value in enumerate(typed) if value in typed[:i]]
    return typed, faults + [f"{where}: {key}: {_text(value)} is given twice" for value in twice]


def _check_points(config: Config, where: str) -> list[str]:
    """Returns a line per fault of the grid as a whole."""
    last = config.stages[-1]
    if getattr(config, last).select == "last":
        return [f"{where}: tune needs a dev score, and {last}.select is last; set jsd, calibrated_jsd, ua or accuracy"]
    count = math.prod(len(values) for values in config.tune.values())
    if count > MOST_POINTS:
        return [f"{where}: the grid has {count:,} points; at most {MOST_POINTS} are allowed"]
    try:
        made = points(config)
    except ConfigError as error:
        return [f"{where}: {line}" for line in str(error).splitlines()]
    long = [point.name for point in made if len(point.name.encode()) > _LONGEST_NAME]
    if long:
        return [f"{where}: the grid has too many keys: a point would be named {long[0]:.60}..."]
    unused = set.intersection(*({*config.tune} & _unused_by(point.config) for point in made))
    if unused:
        return [f"{where}: {key} cannot be tuned: {_NO_PART}" for key in config.tune if key in unused]
    changed = [point.name for point in made if _inputs(point.config) != _inputs(config)]
    return [f"{where}: {name} changes which features the experiment reads" for name in changed[:1]]


def _unused_by(config: Config) -> set[str]:
    """Returns the dotted keys that play no part, those of unused sections included."""
    unused = unused_keys(config)
    return {key for key in flatten(config.model_dump()) if key in unused or key.partition(".")[0] in unused}


def _inputs(config: Config) -> tuple:
    """Returns what decides which features an experiment reads."""
    only_text = "distill" in config.stages and config.amber.heads() == ("T",)
    return config.cached(), config.needs_text(), config.reads_tokens(), config.learns(), only_text
