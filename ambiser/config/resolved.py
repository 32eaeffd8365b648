"""Flattens, compares and prints resolved configurations."""

from collections.abc import Mapping

import yaml


def flatten(tree: Mapping, prefix: str = "") -> dict[str, object]:
    """Turns nested sections into `a.b` keys; lists and `labels.classes` stay values."""
    flat: dict[str, object] = {}
    for key, value in tree.items():
        dotted = f"{prefix}{key}"
        if isinstance(value, Mapping) and dotted != "labels.classes":
            flat |= flatten(value, f"{dotted}.")
        else:
            flat[dotted] = value
    return flat


def differing_keys(old: Mapping, new: Mapping) -> list[str]:
    """Returns a line 'key: old value -> new value' for every key in which two resolved configurations differ."""
    before, after = flatten(old), flatten(new)
    lines = []
    for key in sorted(before.keys() | after.keys()):
        was, now = before.get(key, "(not set)"), after.get(key, "(not set)")
        if was != now:
            lines.append(f"{key}: {was} -> {now}")
    return lines


def dump_yaml(tree: Mapping) -> str:
    """Returns the YAML text of a resolved configuration, in the order of the schema."""
    return yaml.safe_dump(dict(tree), sort_keys=False, allow_unicode=True, width=120)
