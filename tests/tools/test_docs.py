"""The documentation: links between the files of the checkout, and the pages that the site is made of."""

import re

import pytest
import yaml

from tools.docs import build, experiments, pages, tables


def test_no_link_between_files_is_broken(root):
    names = pages.markdown_files(root)
    assert {"README.md", "egs/crema_d/RESULTS.md", ".github/CHANGELOG.md", "conf/experiments/IPR.md"} <= set(names)
    assert pages.broken_links(root, names) == []


def test_broken_links_and_lost_headings_are_found(tmp_path):
    text = "# A `b` c!\n[a](x.md) ![p](p.png) [t](#a-b-c) [u](#d) [w](https://x.y)\n```\n[q](q.md)\n```\n`[r](r.md)`\n"
    (tmp_path / "a.md").write_text(text + "    [s](s.md)\n[z](../a.md) [`o`](a.md#a-b-c)\n")
    found = pages.broken_links(tmp_path, ["a.md"])
    assert found == ["a.md:2: x.md", "a.md:2: p.png", "a.md:2: #d", "a.md:8: ../a.md"]


@pytest.fixture(scope="module")
def staged(tmp_path_factory, root):
    folder = tmp_path_factory.mktemp("site")
    build.stage(folder, repository="", recipe=root / "egs" / "mini")
    return folder


def test_every_page_of_the_site_is_in_its_menu_and_no_link_is_broken(staged):
    docs = staged / "docs"
    made = sorted(path.relative_to(docs).as_posix() for path in docs.rglob("*.md"))
    menu = (staged / "mkdocs.yml").read_text().partition("\nnav:")[2]
    assert sorted(re.findall(r"[\w./-]+\.md", menu)) == made
    assert pages.broken_links(docs, made) == []


def test_every_experiment_has_a_page_with_its_keys_and_scores(staged, root):
    files = experiments.experiment_files(root)
    assert {"ipr_plus", "amber2", "crema_d-oracle_votes"} <= files.keys()
    for name, path in files.items():
        page = (staged / "docs" / "experiments" / f"{name}.md").read_text()
        assert all(f"`{key}`" in page.replace("`tune.", "`") for key in _own_keys(yaml.safe_load(path.read_text())))
    page = (staged / "docs" / "experiments" / "ipr_plus.md").read_text()
    assert "Threshold likelihood [D]" in page and "| `update.epochs` | `12` | `5` |" in page
    assert re.search(r"crema_d \(version 1.0\), 4 classes, 5 folds \| ipr_plus-whisper_tiny_en \| 1 2 3 \| 0\.8", page)
    paper = (staged / "docs" / "experiments" / "amber2_paper.md").read_text()
    assert "| `distill.batch` | `128` | `64` | S |" in paper


def test_published_figures_have_captions_and_intervals_stay_on_one_line(staged):
    gallery = (staged / "docs" / "gallery" / "index.md").read_text()
    assert "Gain of oracles over ipr ([egs/crema_d/README.md](../egs/crema_d/README.md))" in gallery
    assert "Differences ([table](../egs/crema_d/differences/pairs.md))" in gallery
    for page in ("README.md", "experiments/jsd.md"):
        text = (staged / "docs" / page).read_text()
        assert re.search(r"\[0\.\d+,\N{NO-BREAK SPACE}0\.\d+\]", text) and not re.search(r"\[0\.\d+, 0\.\d+\]", text)


def _own_keys(tree):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from (inner if key == "tune" else f"{key}.{inner}" for inner in value)
        elif key != "base":
            yield key


@pytest.mark.parametrize("name", tables.TABLES)
def test_generated_tables_are_current(root, name):
    made = tables.with_tables(root, name)
    assert made == (root / name).read_text(encoding="utf-8"), "run python -m tools.docs.tables"
    assert made.count("\n| ") > 5


def test_a_readme_without_markers_or_a_lost_experiment_is_an_error(tmp_path):
    (tmp_path / "README.md").write_text("<!-- results: x -->\n")
    with pytest.raises(ValueError, match=r"README.md: lacks the lines <!-- results"):
        tables.with_tables(tmp_path, "README.md")
