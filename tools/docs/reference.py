"""Writes the pages of the reference: all keys of a configuration, and the modules of the package by room."""

import re
from pathlib import Path

from ambiser.config import Config
from ambiser.config.section import Section
from tools.docs.experiments import known_keys, show

_OPTIONS = ["    options:", "      heading_level: 2"]


def write_keys(docs: Path) -> None:
    """Writes reference/keys.md: a table of keys per section of the configuration."""
    keys, lines = known_keys(), ["# Keys of a configuration", ""]
    lines += ["[P] stated in the paper, [S] stated in a third-party digest of it, [I] inferred, [D] decided here.", ""]
    names = [name for name in type(Config()).model_fields if isinstance(getattr(Config(), name), Section)]
    for section in ("", *names):
        if section:
            lines += ["", f"## {section}", "", (type(getattr(Config(), section)).__doc__ or "").strip()]
        lines += ["", "| key | default | meaning |", "|---|---|---|"]
        for key, (default, description) in keys.items():
            if key.rpartition(".")[0] == section or (section and key.startswith(f"{section}.")):
                cells = (f"`{key}`", f"`{show(default)}`", description)
                lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    _write(docs / "reference" / "keys.md", lines)


def write_api(root: Path, docs: Path) -> list[str]:
    """Writes reference/api/ROOM.md for each room of the package, and reference/api/ambiser.md for the public names."""
    package = root / "ambiser"
    _write(
        docs / "reference" / "api" / "ambiser.md",
        ["# Public names", "", "::: ambiser", *_OPTIONS, "      members: false", ""],
    )
    rooms = sorted(path.name for path in package.iterdir() if (path / "__init__.py").is_file())
    for room in rooms:
        lines = [f"# ambiser.{room}", ""]
        for path in sorted((package / room).rglob("*.py")):
            if path.name != "__init__.py":
                module = ".".join(path.relative_to(root).with_suffix("").parts)
                lines += [f"::: {module}", *_OPTIONS, ""]
        _write(docs / "reference" / "api" / f"{room}.md", lines)
    return rooms


def _write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n", encoding="utf-8")
