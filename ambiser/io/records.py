"""Converts dataclasses to JSON and back: no field may be missing, unknown or of another type."""

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping

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
    if kind is object:
        return value
    if dataclasses.is_dataclass(kind):
        return _read_fields(kind, _expect(dict, value, where), where)
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        (inner,) = (part for part in parts if part is not type(None))
        return None if value is None else from_json(inner, value, where)
    if origin is dict:
        items = _expect(dict, value, where).items()
        return {
            _read_key(parts[0], key, where): from_json(parts[1], item, f"{where}: {_shown(key)}") for key, item in items
        }
    if origin is list:
        return [from_json(parts[0], item, where) for item in _expect(list, value, where)]
    return _expect(kind, value, where)


def _is_written(field: dataclasses.Field, value: object) -> bool:
    return field.default is dataclasses.MISSING or value != field.default


@functools.cache
def _fields(kind: type) -> dict[str, tuple[object, bool]]:
    """Returns type and necessity of every field by name."""
    hints = typing.get_type_hints(kind)
    return {field.name: (hints[field.name], field.default is dataclasses.MISSING) for field in dataclasses.fields(kind)}


def _read_fields(kind: type, items: dict[str, object], where: str) -> object:
    fields = _fields(kind)
    missing = [name for name, (_, needed) in fields.items() if needed and name not in items]
    unknown = [name for name in items if name not in fields]
    if missing or unknown:
        faults = [f"lacks {', '.join(missing)}"] if missing else []
        faults += [f"has unknown {', '.join(map(_shown, unknown))}"] if unknown else []
        raise DataError(f"{where}: {' and '.join(faults)}; remove the file and run its stage again")
    return kind(**{name: from_json(fields[name][0], item, f"{where}: {name}") for name, item in items.items()})


def _read_key(kind: type, key: str, where: str) -> object:
    try:
        return kind(key)
    except ValueError:
        raise DataError(f"{where}: the key {key!r} must be of type {kind.__name__}") from None


def _shown(key: str) -> str:
    """Returns a key as it is when it fits into a line of a message."""
    return key if key.isprintable() else ascii(key)


def _expect(kind: type, value: object, where: str) -> object:
    """Returns the value when it has the type; an int is a valid float, a bool is not."""
    fits = isinstance(value, int | float if kind is float else kind) and (kind is bool or not isinstance(value, bool))
    if not fits:
        raise DataError(f"{where}: must be of type {kind.__name__}, got {value!r:.60}")
    return value
