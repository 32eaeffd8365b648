"""LaTeX: tables with booktabs, and text and numbers for their cells."""

import re
from collections.abc import Sequence


def tex(text: str) -> str:
    """Returns a text in which LaTeX's own characters stand for themselves."""
    for old, new in (
        ("\\", r"\textbackslash{}"),
        ("_", r"\_"),
        ("%", r"\%"),
        ("&", r"\&"),
        ("#", r"\#"),
        ("<=", r"$\le$"),
        ("<", "$<$"),
        (">", "$>$"),
        ("²", "$^2$"),
        ("√", r"$\surd$"),
        ("ρ", r"$\rho$"),
    ):
        text = text.replace(old, new)
    return text


def with_signs(cell: str) -> str:
    """Sets the signs of numbers as LaTeX does in formulas; a bare hyphen is too short."""
    return re.sub(r"([-+])(?=\d)", r"$\1$", cell)


def tabular(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Returns the lines of a table; its first column is aligned left and the others right."""
    shown = [" & ".join(cells) + " \\\\" for cells in (header, *rows)]
    begin = "\\begin{tabular}{l" + "r" * (len(header) - 1) + "}"
    return [begin, "\\toprule", shown[0], "\\midrule", *shown[1:], "\\bottomrule", "\\end{tabular}"]
