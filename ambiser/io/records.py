"""Converts dataclasses to JSON and back: no field may be missing, unknown or of another type."""

import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Mapping

from ambiser.errors import DataError


def to_json(value: object) -> object:
    """Returns dataclasses as dicts and tuples as lists, ready for JSON; the keys of dicts become text.

    A field that has its default is left out.
    """
    if dataclasses.is_dataclass(value):
        fields = ((field, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {field.name: to_json(item) for field, item in fields if _is_written(field, item)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return value


def from_json(kind: object, value: object, where: str) -> object:
    """Returns what `to_json` wrote as an object of a type.

    Args:
        kind: a dataclass, `dict[str or int, X]`, `list[X]`, `X | None`, `object` or a plain type.
        value: parsed JSON.
        where: the file and the key, for errors.

    Raises:
        DataError: a key is missing or unknown, or a value has another type.
    """
    try:
        return _reader(kind)(value)
    except _Fault as fault:
        raise DataError(f"{': '.join([where, *reversed(fault.keys)])}: {fault.problem}") from None


class _Fault(Exception):
    """A fault of a value, and the keys that lead to it, the last one first."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem, self.keys = problem, []


def _is_written(field: dataclasses.Field, value: object) -> bool:
    return field.default is dataclasses.MISSING or value != field.default


@functools.cache
def _reader(kind: object) -> Callable[[object], object]:
    """Returns the function that reads a value of a type: types are examined once, not for each value."""
    if kind is object:
        return lambda value: value
    if dataclasses.is_dataclass(kind):
        return functools.partial(_read_fields, kind)
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        (inner,) = (_reader(part) for part in parts if part is not type(None))
        return lambda value: None if value is None else inner(value)
    if origin is dict:
        return functools.partial(_read_dict, parts[0], _reader(parts[1]))
    if origin is list:
        inner = _reader(parts[0])
        return lambda value: [inner(item) for item in _expect(list, value)]
    return functools.partial(_expect, kind)


@functools.cache
def _fields(kind: type) -> tuple[dict[str, Callable[[object], object]], set[str]]:
    """Returns the reader of every field by name, and the names of those that must be there."""
    hints, fields = typing.get_type_hints(kind), dataclasses.fields(kind)
    needed = {field.name for field in fields if field.default is dataclasses.MISSING}
    return {field.name: _reader(hints[field.name]) for field in fields}, needed


def _read_fields(kind: type, value: object) -> object:
    items, (readers, needed) = _expect(dict, value), _fields(kind)
    if not (needed <= items.keys() <= readers.keys()):
        missing = [name for name in readers if name in needed and name not in items]
        unknown = [name for name in items if name not in readers]
        faults = [f"lacks {', '.join(missing)}"] if missing else []
        faults += [f"has unknown {', '.join(map(_shown, unknown))}"] if unknown else []
        raise _Fault(f"{' and '.join(faults)}; remove the file and run its stage again")
    read = {}
    for name, item in items.items():
        try:
            read[name] = readers[name](item)
        except _Fault as fault:
            fault.keys.append(name)
            raise
    return kind(**read)


def _read_dict(key_kind: type, inner: Callable[[object], object], value: object) -> dict:
    read = {}
    for key, item in _expect(dict, value).items():
        name = _read_key(key_kind, key)
        try:
            read[name] = inner(item)
        except _Fault as fault:
            fault.keys.append(_shown(key))
            raise
    return read


def _read_key(kind: type, key: str) -> object:
    try:
        return kind(key)
    except ValueError:
        raise _Fault(f"the key {key!r} must be of type {kind.__name__}") from None


def _shown(key: str) -> str:
    """Returns a key as it is when it fits into a line of a message."""
    return key if key.isprintable() else ascii(key)


def _expect(kind: type, value: object) -> object:
    """Returns the value when it has the type; an int is a valid float, a bool is not."""
    fits = isinstance(value, int | float if kind is float else kind) and (kind is bool or not isinstance(value, bool))
    if not fits:
        raise _Fault(f"must be of type {kind.__name__}, got {value!r:.60}")
    return value
