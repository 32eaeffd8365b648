"""Formats tables as text: aligned columns for the terminal, and Markdown."""

import unicodedata
from collections.abc import Collection, Iterable, Sequence

LEAST_WIDTH = 3


def aligned(rows: Sequence[Sequence[str]], between: str, *, left: Collection[int] = (0,)) -> list[str]:
    """Returns a line per row; the columns numbered in `left` are aligned left and the others right."""
    widths = [max(max(_width(row[i]) for row in rows), LEAST_WIDTH) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        padding = [" " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)]
        pairs = enumerate(zip(row, padding, strict=True))
        lines.append(between.join(cell + pad if i in left else pad + cell for i, (cell, pad) in pairs).rstrip())
    return lines


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]], *, left: Collection[int] = (0,)) -> str:
    """Returns a Markdown table, aligned as in `aligned`, so that it reads well as text too."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (header, *rows)]
    lines = [f"| {line} |" for line in aligned(cells, " | ", left=left)]
    widths = [max(max(_width(row[i]) for row in cells), LEAST_WIDTH) for i in range(len(header))]
    rule = ["-" * width if i in left else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    return "\n".join([lines[0], f"| {' | '.join(rule)} |", *lines[1:]]) + "\n"


def _width(text: str) -> int:
    """Returns how many columns a text takes; combining letters take none."""
    return sum(unicodedata.combining(letter) == 0 for letter in text)
