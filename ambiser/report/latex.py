"""LaTeX: tables with booktabs, and text and numbers for their cells."""

import re
from collections.abc import Sequence

_SIGNS = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "_%&#${}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<=": r"$\le$",
    "<": "$<$",
    ">": "$>$",
    "²": "$^2$",
    "√": r"$\surd$",
    "ρ": r"$\rho$",
}
_SIGN = re.compile("<=|" + "|".join(re.escape(sign) for sign in _SIGNS if len(sign) == 1))


def tex(text: str) -> str:
    """Returns a text in which LaTeX's own characters stand for themselves."""
    return _SIGN.sub(lambda match: _SIGNS[match[0]], text)


def with_signs(cell: str) -> str:
    """Sets the signs of numbers as LaTeX does in formulas; a bare hyphen is too short."""
    return re.sub(r"([-+])(?=\d)", r"$\1$", cell)


def tabular(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Returns the lines of a table; its first column is aligned left and the others right."""
    shown = [" & ".join(cells) + " \\\\" for cells in (header, *rows)]
    begin = "\\begin{tabular}{l" + "r" * (len(header) - 1) + "}"
    return [begin, "\\toprule", shown[0], "\\midrule", *shown[1:], "\\bottomrule", "\\end{tabular}"]
