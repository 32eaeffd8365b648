"""Finds the Markdown files of the checkout and their links, and copies them into the folder that MkDocs reads."""

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

GLOBS = (
    "README.md",
    ".github/*.md",
    "ambiser/**/*.md",
    "conf/**/*.md",
    "egs/*.md",
    "egs/*/*.md",
    "egs/*/differences/*.md",
    "tests/**/*.md",
    "tools/**/*.md",
)
PICTURES = {".png", ".svg", ".jpg"}
MADE = {"conf/base.yaml": "reference/keys.md"}
"""Files that have a page made from them."""
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")
_INTERVAL = re.compile(r"\[([^\s\[\],]+), ([^\s\[\],]+)\]")
_FENCE = re.compile(r"^\s*(```|~~~)")


def markdown_files(root: Path) -> list[str]:
    """Returns the Markdown files of a checkout, relative to it, without those that a run writes."""
    found = {path for glob in GLOBS for path in root.glob(glob) if "venv" not in path.parts}
    return sorted(path.relative_to(root).as_posix() for path in found)


def prose_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yields number and text of each line outside of code, with code spans blanked."""
    fenced = False
    for number, line in enumerate(text.split("\n"), start=1):
        if _FENCE.match(line):
            fenced = not fenced
        elif not fenced and not line.startswith("    "):
            yield number, re.sub(r"`[^`]*`", lambda span: "`" * len(span[0]), line)


def links(text: str) -> Iterator[tuple[int, str]]:
    """Yields line number and target of each link and picture outside of code."""
    for number, line in prose_lines(text):
        for match in _LINK.finditer(line):
            yield number, match[3]


def pictures(text: str) -> Iterator[tuple[str, str]]:
    """Yields words and target of each picture of the checkout outside of code."""
    for _, line in prose_lines(text):
        for bang, words, target in _LINK.findall(line):
            if bang and not is_external(target):
                yield words, target


def anchors(text: str) -> set[str]:
    """Returns the anchors of all headings, as GitHub makes them."""
    found: list[str] = []
    headings = {number for number, line in prose_lines(text) if re.match(r"#{1,6} ", line)}
    for number, line in enumerate(text.split("\n"), start=1):
        if number in headings:
            words = re.sub(r"[^\w\- ]", "", line.lstrip("#").strip().lower())
            anchor = words.replace(" ", "-")
            found.append(f"{anchor}-{found.count(anchor)}" if anchor in found else anchor)
    return set(found)


def is_external(target: str) -> bool:
    """Whether a link leaves the checkout."""
    return re.match(r"[a-z]+:", target) is not None


def broken_links(root: Path, names: list[str]) -> list[str]:
    """Returns `FILE:LINE: target` for each link to a file or heading that does not exist."""
    broken = []
    for name in names:
        text = (root / name).read_text(encoding="utf-8")
        for number, target in links(text):
            if is_external(target):
                continue
            file, _, anchor = target.partition("#")
            path = (root / name).parent / file if file else root / name
            lost = not path.exists() or not path.resolve().is_relative_to(root.resolve())
            if not lost and anchor:
                page = path / "README.md" if path.is_dir() else path
                lost = page.suffix != ".md" or anchor not in anchors(page.read_text(encoding="utf-8"))
            if lost:
                broken.append(f"{name}:{number}: {target}")
    return broken


def keep_intervals(line: str) -> str:
    """Returns a row of a table whose intervals `[LOW, HIGH]` no browser breaks into two lines."""
    return _INTERVAL.sub("[\\1,\N{NO-BREAK SPACE}\\2]", line)


def page_of(name: str) -> str:
    """Returns where a file of the checkout is on the site; the README of a folder is its index."""
    if name in MADE:
        return MADE[name]
    if name.startswith("conf/experiments/") and name.endswith(".yaml"):
        return f"experiments/{PurePosixPath(name).stem}.md"
    if name.startswith(".github/"):
        return f"project/{PurePosixPath(name).name.lower()}"
    return name


def copy_pages(root: Path, docs: Path, repository: str) -> None:
    """Copies all Markdown files and the pictures that they show; links to other files lead to the repository.

    Args:
        root: the checkout.
        docs: the folder that MkDocs reads.
        repository: address of a folder of the repository in a browser; empty turns such links into plain words.
    """
    names = markdown_files(root)
    for name in names:
        text = (root / name).read_text(encoding="utf-8")
        target = docs / page_of(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_rewrite(text, root, name, set(names), docs, repository), encoding="utf-8")


def _rewrite(text: str, root: Path, name: str, pages: set[str], docs: Path, repository: str) -> str:
    """Returns a page with its links as they are on the site."""

    def replace(match: re.Match) -> str:
        bang, words, target = match.groups()
        file, hash_sign, anchor = target.partition("#")
        if is_external(target) or not file:
            return match[0]
        path = os.path.normpath(PurePosixPath(name).parent / file)
        if (root / path).is_dir() and f"{path}/README.md" in pages:
            path += "/README.md"
        here = PurePosixPath(page_of(name)).parent
        if PurePosixPath(path).suffix in PICTURES:
            copy = docs / path
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes((root / path).read_bytes())
        elif path not in pages and page_of(path) == path:
            return f"[{words}]({repository}/{path})" if repository else words
        return f"{bang}[{words}]({os.path.relpath(page_of(path), here)}{hash_sign}{anchor})"

    lines = text.split("\n")
    for number, _ in prose_lines(text):
        line = _LINK.sub(replace, lines[number - 1])
        lines[number - 1] = keep_intervals(line) if line.startswith("|") else line
    return "\n".join(lines)
