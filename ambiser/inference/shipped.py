"""Finds the models that come with the package."""

from pathlib import Path

SHIPPED = Path(__file__).resolve().parents[1] / "models_shipped"
"""One folder per model."""


def find_shipped(name: str) -> Path | None:
    """Returns the folder of a shipped model, or None."""
    return SHIPPED / name if name in shipped_names() else None


def shipped_names() -> list[str]:
    """Returns the names of all shipped models, sorted."""
    return sorted(path.parent.name for path in SHIPPED.glob("*/model.json"))
