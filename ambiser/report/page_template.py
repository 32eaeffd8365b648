"""Renders the templates of this folder as HTML pages."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def render_page(template: str, **values: object) -> str:
    """Returns a page without blank lines; values are escaped, and a missing one is an error.

    Args:
        template: file name in this folder.
        values: by name in the template.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    text = environment.get_template(template).render(**values)
    return "\n".join(line.rstrip() for line in text.split("\n") if line.strip()) + "\n"
