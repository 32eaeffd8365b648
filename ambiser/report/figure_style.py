"""Sets the style of figures and writes them as SVG for the page, on demand as PNG and PDF; bytes are reproducible."""

import io
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ambiser.io.files import atomic_open, write_text
from ambiser.report.drawn_before import read_drawn, with_comment
from ambiser.report.palette import COLORS

INK = "#1f2328"
"""Color of text and axes."""
PAGE_COLORS = {INK: "currentColor", COLORS[0]: "var(--blue)", COLORS[1]: "var(--orange)"}
"""Colors of a figure and their CSS variables on the page, which suit light and dark mode."""
DASHES = ("-", "--", ":", "-.")
_METADATA = {
    "svg": {"Date": None, "Creator": None, "Format": None, "Type": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Producer": None},
}
WIDTH = 4.2
STYLE = {
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "axes.titley": 1.0,  # the same place as by default, without the search for it, 7 % of the time of a figure
    "figure.facecolor": "none",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.5,
    "grid.alpha": 0.15,
    "grid.color": INK,
    "grid.linewidth": 0.6,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "pdf.fonttype": 42,
    "savefig.dpi": 200,
    "svg.fonttype": "none",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


@dataclass(frozen=True)
class Picture:
    """A drawn figure: its name without suffix, its caption, and its SVG for the page."""

    name: str
    caption: str
    svg: str


def new_figure(
    height: float, rows: int = 1, columns: int = 1, *, width: float = WIDTH, **options: object
) -> tuple[Figure, object]:
    """Returns a figure of this size (inches) and its axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, **options)


def take_picture(
    draw: Callable[[], Figure],
    *,
    name: str,
    caption: str,
    folder: Path,
    formats: Collection[str] = (),
    inputs: str = "",
) -> Picture:
    """Draws a figure in the common style, writes folder/NAME.svg and the other formats, and returns its SVG.

    A figure is not drawn if all its files are there, drawn from the same inputs. PNG and PDF are left as they are if
    the SVG is that of the last time. Otherwise, files in formats that are not asked for are deleted: they would show an
    older drawing.

    Args:
        draw: makes the figure.
        name: of the files, without suffix.
        caption: for the page.
        folder: for the files.
        formats: some of png and pdf, which take most of the time.
        inputs: from `ambiser.report.drawn_before.input_digest`; empty: draw in any case.
    """
    path = folder / f"{name}.svg"
    before, files = read_drawn(path), {ending: path.with_suffix(f".{ending}") for ending in ("png", "pdf")}
    complete = before is not None and all(files[ending].is_file() for ending in formats)
    if complete and inputs and before.inputs == inputs:
        return Picture(name, caption, page_svg(before.svg, caption))
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        figure = draw()
        figure.get_layout_engine().execute(figure)
        figure.set_layout_engine(None)  # compute the layout once: it takes time, and all formats are the same
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata=_METADATA["svg"])
        svg = buffer.getvalue()
        same = before is not None and before.svg == svg
        for ending, file in files.items() if not (complete and same) else ():
            if ending in formats:
                paper = {"facecolor": "white"} if ending == "png" else {}
                with atomic_open(file, "wb") as stream:
                    figure.savefig(stream, format=ending, metadata=_METADATA[ending], **paper)
            elif not same:
                file.unlink(missing_ok=True)
        if not same or before.inputs != inputs:
            write_text(path, with_comment(svg, inputs))  # last: it tells that the others are up to date
    return Picture(name, caption, page_svg(svg, caption))


def page_svg(svg: str, caption: str) -> str:
    """Prepares matplotlib's SVG for a page: no prologue, no fixed size, unique ids, ink in the color of the text."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    label = caption.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    svg = re.sub(r'^<svg([^>]*?) width="[^"]*"', r"<svg\1", re.sub(r'^<svg([^>]*?) height="[^"]*"', r"<svg\1", svg))
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
    for color, on_page in PAGE_COLORS.items():
        svg = re.sub(color, on_page, svg, flags=re.IGNORECASE)
    return svg.strip()
