"""Writes the gallery: committed figures, and the report pages and figures of a recipe that has run."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from tools.docs.pages import markdown_files, page_of, pictures

PAGES = {"exp/report.html": "report of stage 8", "data/report.html": "data report of stage 1"}


def write_gallery(root: Path, docs: Path, recipe: Path) -> None:
    """Writes gallery/index.md.

    Args:
        root: the checkout.
        docs: the folder that MkDocs reads.
        recipe: folder of a recipe; its report pages and figures are copied if it has run.
    """
    folder, lines = docs / "gallery", ["# Gallery", ""]
    folder.mkdir(parents=True, exist_ok=True)
    pages = {recipe / name: words for name, words in PAGES.items() if (recipe / name).is_file()}
    if pages:
        lines += [f"## Pages of `{recipe.name}`", ""]
        for path, words in pages.items():
            copy = f"{path.parent.name}_report.html"
            shutil.copy(path, folder / copy)
            lines.append(f"* [{words}]({copy})")
        lines.append("")
        figures = sorted((recipe / "exp" / "figures").glob("*.svg"))
        lines += [f"## Figures of `{recipe.name}`", "", *_show(figures, recipe, folder)]
    published = sorted((*root.glob("egs/*/*.png"), *root.glob("egs/*/differences/*.png")))
    lines += ["## Published figures", "", *_show(published, root, folder, _captions(root))]
    (folder / "index.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _captions(root: Path) -> dict[Path, str]:
    """Returns the caption of each published figure: the words of the README that shows it, or a link to its table."""
    captions = {}
    for name in markdown_files(root):
        for words, target in pictures((root / name).read_text(encoding="utf-8")):
            path = ((root / name).parent / target).resolve()
            captions[path] = f"{words} ([{name}](../{page_of(name)}))"
    for path in root.glob("egs/*/differences/*.md"):
        name = path.relative_to(root).as_posix()
        captions.setdefault(path.with_suffix(".png").resolve(), f"Differences ([table](../{page_of(name)}))")
    return captions


def _show(figures: list[Path], start: Path, folder: Path, captions: Mapping[Path, str] | None = None) -> list[str]:
    lines = []
    for path in figures:
        copy = "-".join(path.relative_to(start).parts)
        shutil.copy(path, folder / copy)
        name = path.stem.replace("_", " ")
        caption = (captions or {}).get(path.resolve(), f"*{path.relative_to(start)}*")
        lines += [f"![{name}]({copy}){{ width=640 }}", "", caption, ""]
    return lines
