"""Builds the site of the documentation from READMEs, docstrings, configuration and results: tools/site.sh runs it."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from tools.docs.experiments import write_pages
from tools.docs.gallery import write_gallery
from tools.docs.pages import copy_pages, markdown_files, page_of
from tools.docs.reference import write_api, write_keys

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = Path(__file__).parent / "mkdocs.yml"


def main() -> int:
    """Runs the program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "site", help="folder of the site (default: site)")
    parser.add_argument("--repository", default="", help="address of the files of the repository, for links")
    parser.add_argument("--recipe", type=Path, default=ROOT / "egs" / "mini", help="recipe whose pages are shown")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = stage(Path(folder), repository=args.repository.rstrip("/"), recipe=args.recipe.resolve())
        command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--clean", "--config-file", str(settings)]
        print("building the pages takes about a minute", flush=True)
        environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}  # an advertisement of its successor
        words = [*command, "--site-dir", str(args.output.resolve())]
        done = subprocess.run(words, check=False, env=environment)
    if done.returncode == 0:
        print(f"open {args.output / 'index.html'}")
    return done.returncode


def stage(folder: Path, *, repository: str, recipe: Path) -> Path:
    """Writes all pages to folder/docs and the settings of MkDocs to folder/mkdocs.yml; returns the settings."""
    docs = folder / "docs"
    docs.mkdir()
    copy_pages(ROOT, docs, repository)
    shutil.copy(SETTINGS.with_name("site.css"), docs)
    experiments = write_pages(ROOT, docs)
    write_keys(docs)
    rooms = write_api(ROOT, docs)
    write_gallery(ROOT, docs, recipe)
    text = SETTINGS.read_text(encoding="utf-8").replace("ROOT", str(ROOT))
    nav = yaml.safe_dump({"nav": navigation(experiments, rooms)}, allow_unicode=True, sort_keys=False)
    (folder / "mkdocs.yml").write_text(f"{text}\n{nav}", encoding="utf-8")
    return folder / "mkdocs.yml"


def navigation(experiments: list[str], rooms: list[str]) -> list:
    """Returns the menu of the site; every page is in it."""
    names = markdown_files(ROOT)

    def below(start: str) -> list:
        return [page_of(name) for name in names if name.startswith(start)]

    api = [{room: f"reference/api/{room}.md"} for room in ("ambiser", *rooms)]
    return [
        {"Start": "README.md"},
        {"Recipes": below("egs/")},
        {"Configuration": [*below("conf/"), {"All keys": "reference/keys.md"}]},
        {"Experiments": ["experiments/index.md", *(f"experiments/{name}.md" for name in experiments)]},
        {"Package": [*below("ambiser/"), {"Modules": api}]},
        {"Gallery": "gallery/index.md"},
        {"Project": [*below("tools/"), *below("tests/"), *below(".github/")]},
    ]


if __name__ == "__main__":
    sys.exit(main())
