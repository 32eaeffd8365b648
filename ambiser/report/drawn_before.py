"""Finds figures that were drawn from the same inputs before, so that they need not be drawn again.

An SVG file ends with a comment that holds the digests of its inputs and of its drawing; an edited file is drawn again.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from ambiser.io.files import digest

_COMMENT = re.compile(r"<!-- inputs ([0-9a-f]{64}), drawing ([0-9a-f]{64}) -->\n\Z")
_ROOMS = ("labels", "report", "scoring")
_PACKAGES = ("matplotlib", "numpy", "scikit-learn", "scipy")


@dataclass(frozen=True)
class Drawn:
    """An SVG file: its drawing, and the digest of its inputs (empty if unknown)."""

    svg: str
    inputs: str


def input_digest(*values: object) -> str:
    """Returns a digest of what a figure shows, and of the code that draws it.

    Args:
        values: dataclasses, mappings, lists, tuples, arrays, text, numbers, booleans and None, nested at will.

    Raises:
        TypeError: a value is of another type, so that equal values may look different or different ones equal.
    """
    return digest(_code_digest(), *_parts(values))


def read_drawn(path: Path) -> Drawn | None:
    """Returns the drawing in an SVG file, or None if there is no file; the inputs are unknown if it was edited."""
    if not path.is_file():
        return None
    content = path.read_text(encoding="utf-8")
    found = _COMMENT.search(content)
    if found is None:
        return Drawn(content, "")
    svg = content[: found.start()]
    return Drawn(svg, found[1] if found[2] == digest(svg) else "")


def with_comment(svg: str, inputs: str) -> str:
    """Returns the content of an SVG file; without a comment if the inputs are unknown."""
    return f"{svg}<!-- inputs {inputs}, drawing {digest(svg)} -->\n" if inputs else svg


@functools.cache
def _code_digest() -> str:
    """Returns a digest of all code that can change a figure: rooms of this package, versions of others."""
    package = Path(__file__).parents[1]
    files = sorted(path for room in _ROOMS for path in (package / room).glob("*.py"))
    return digest(*(path.read_bytes() for path in files), *map(version, _PACKAGES))


def _parts(value: object) -> Iterator[bytes]:
    if is_dataclass(value):
        yield type(value).__name__.encode()
        for field in fields(value):
            yield from _parts(getattr(value, field.name))
    elif isinstance(value, Mapping):
        yield f"mapping {len(value)}".encode()
        for key, item in value.items():
            yield repr(key).encode()
            yield from _parts(item)
    elif isinstance(value, list | tuple):
        yield f"list {len(value)}".encode()
        for item in value:
            yield from _parts(item)
    elif isinstance(value, np.ndarray) and value.dtype != object:
        yield f"array {value.dtype.str} {value.shape}".encode()
        yield value.tobytes()
    elif value is None or isinstance(value, str | int | float | np.number | np.bool_):
        yield repr(value).encode()
    elif isinstance(value, np.ndarray):
        yield from _parts(value.tolist())
    else:
        raise TypeError(f"the inputs of a figure cannot be of type {type(value).__name__}")
