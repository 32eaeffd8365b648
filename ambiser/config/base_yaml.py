"""Renders the schema as conf/base.yaml: every key with its default, description and choices."""

import json
from typing import Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from ambiser.config.schema import Config
from ambiser.config.section import Section

_HEAD = """\
# All keys of a configuration with their defaults. Generated from ambiser/config (schema.py and *_keys.py) by
#   python -m ambiser.bin.write_base_config
# Do not edit it: write an experiment, a YAML file with the keys that differ (see conf/experiments and egs/*/conf).
# [P] stated in the paper, [S] stated in a third-party digest of it, [I] inferred, [D] decided here; see "Where each
# choice comes from" in conf/README.md.
"""


def render_base() -> str:
    """Returns the text of conf/base.yaml."""
    return _HEAD + "\n".join(_render(Config(), "")) + "\n"


def _render(section: Section, indent: str) -> list[str]:
    lines = []
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            lines += ["", f"# {type(value).__doc__.strip()}", f"{name}:", *_render(value, indent + "  ")]
        else:
            lines.append(f"{indent}{name}: {_scalar(value)}".ljust(44) + f"  # {field.description}{_choices(field)}")
    return lines


def _scalar(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {_scalar(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_scalar(v) for v in value) + "]"
    return value if isinstance(value, str) and value.isidentifier() else json.dumps(value)


def _choices(field: FieldInfo) -> str:
    words = [
        str(c)
        for part in (field.annotation, *get_args(field.annotation))
        if get_origin(part) is Literal
        for c in get_args(part)
    ]
    return f" ({' | '.join(dict.fromkeys(words))})" if words else ""
