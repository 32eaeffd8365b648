"""Formats faults in a configuration: one line each with file, line, key, value and the nearest valid key."""

import difflib
from collections.abc import Mapping
from typing import get_origin

from ambiser.config.resolved import flatten
from ambiser.config.section import Section

Keys = tuple[str, ...]


def describe_fault(fault: Mapping, schema: type[Section], origins: Mapping[Keys, str], elsewhere: str) -> str:
    """Returns the line of one fault.

    Args:
        fault: an entry of pydantic's `ValidationError.errors()`.
        schema: the section that was validated.
        origins: where each key was given, such as "FILE:LINE".
        elsewhere: the place to name when no part of the key is in `origins`.
    """
    keys = tuple(str(key) for key in fault["loc"])
    message = fault.get("msg", "").removeprefix("Value error, ").replace("Input should", "should")
    key, _, rest = message.partition(": ")
    if not keys and tuple(key.split(".")) in origins:  # a check of several keys names the one to change
        keys, message = tuple(key.split(".")), rest
    # A fault of a whole section, or of an item of a list, is at the nearest key above it.
    named = keys
    while named and named not in origins:
        named = named[:-1]
    where = origins[named] if named else elsewhere
    dotted = ".".join(_without_unions(keys))
    if fault["type"] == "extra_forbidden":
        return f"{where}: unknown key '{dotted}'{_nearest(keys, schema)}"
    if fault["type"] == "value_error":
        return f"{where}: {dotted + ': ' if dotted else ''}{message}"
    return f"{where}: {dotted}: {message}, got {str(fault['input'])!r}"


def is_section(schema: object) -> bool:
    """Whether a key's type is a section."""
    # In Python 3.10 list[str] counts as an instance of type.
    return isinstance(schema, type) and get_origin(schema) is None and issubclass(schema, Section)


def _without_unions(keys: Keys) -> Keys:
    """Removes what pydantic adds to the keys of a union ("literal[...]", "constrained-float")."""
    return tuple(key for key in keys if "[" not in key and key not in ("constrained-float", "float", "constrained-int"))


def _nearest(keys: Keys, root: type[Section]) -> str:
    """Returns a hint for an unknown key: a similar one beside it, a similar one anywhere, or all beside it."""
    section: type = root
    for key in keys[:-1]:
        field = section.model_fields.get(key) if is_section(section) else None
        if field is None:
            return ""
        section = field.annotation
    beside = list(section.model_fields) if is_section(section) else []
    near = difflib.get_close_matches(keys[-1], beside, n=1, cutoff=0.5)
    if near:
        return f"; did you mean '{'.'.join((*keys[:-1], near[0]))}'?"
    anywhere = {key.rpartition(".")[2]: key for key in flatten(root().model_dump(mode="json"))}
    near = difflib.get_close_matches(keys[-1], anywhere, n=1, cutoff=0.7)
    return f"; did you mean '{anywhere[near[0]]}'?" if near else f"; valid here: {', '.join(beside)}"
