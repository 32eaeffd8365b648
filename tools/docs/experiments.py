"""Writes a page per experiment: what it changes, the keys that differ, equations, published scores, its YAML."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ambiser.config import Config
from ambiser.config.loader import EXPERIMENTS
from ambiser.config.resolved import flatten
from ambiser.config.section import Section
from ambiser.config.yaml_reader import read_yaml
from ambiser.report.comparable import ExperimentRow, make_tables, pooled
from ambiser.report.published_tables import read_summaries
from ambiser.scoring.score_names import METRICS
from tools.docs.pages import keep_intervals

SCORES = ("accuracy", "ua", "macro_auroc", "bc", "jsd_bits")
EQUATIONS = "conf/experiments/IPR.md"
SOURCES = "Sources: P stated in the paper, S stated in a third-party digest of it, I inferred, D decided here."
_SOURCE = re.compile(r"\s*\[([PSID])[^\]]*\]")

Key = tuple[object, str]
"""Default and description of a key."""


def experiment_files(root: Path) -> dict[str, Path]:
    """Returns the YAML of each experiment by page name: NAME for shared ones, CORPUS-NAME for those of a recipe."""
    shared = {path.stem: path for path in (root / "conf" / "experiments").glob("*.yaml")}
    own = {f"{path.parts[-3]}-{path.stem}": path for path in root.glob("egs/*/conf/*.yaml") if path.stem != "corpus"}
    return dict(sorted((shared | own).items()))


def write_pages(root: Path, docs: Path) -> list[str]:
    """Writes experiments/NAME.md for each experiment and an index with one line each; returns the names."""
    folder, keys, rows = docs / "experiments", known_keys(), list(published_rows(root))
    folder.mkdir(parents=True, exist_ok=True)
    files, index = (
        experiment_files(root),
        ["# Experiments", "", SOURCES, "", "| experiment | what it is |", "|---|---|"],
    )
    for name, path in files.items():
        text = describe(name, path, keys=keys, rows=rows, equations=(root / EQUATIONS).read_text(encoding="utf-8"))
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
        index.append(f"| [`{name}`]({name}.md) | {first_sentence(head_comment(path)[0])} |")
    (folder / "index.md").write_text("\n".join(index) + "\n", encoding="utf-8")
    return list(files)


def known_keys(section: Section | None = None, prefix: str = "") -> dict[str, Key]:
    """Returns default and description of every key of a configuration, by dotted name."""
    section, found = section or Config(), {}
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            found |= known_keys(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = (value, field.description or "")
    return found


def head_comment(path: Path) -> tuple[str, list[str]]:
    """Returns the words and the commands of the comment at the head of a YAML."""
    words, commands = [], []
    for line in path.read_text(encoding="utf-8").split("\n"):
        if not line.startswith("#"):
            break
        (commands if line.startswith("#   ") else words).append(line[1:].strip())
    return " ".join(words), commands


def first_sentence(text: str) -> str:
    """Returns the first sentence of a text."""
    return re.split(r"(?<=[.;])\s", text, maxsplit=1)[0].rstrip(".;").replace("|", r"\|")


def published_rows(root: Path) -> Iterator[tuple[str, ExperimentRow]]:
    """Yields the title of the table and the row of each published experiment."""
    for folder in sorted(root.glob("egs/*/results")):
        for table in make_tables(read_summaries(folder)):
            yield from ((table.title(), row) for row in table.rows)


def describe(
    name: str, path: Path, *, keys: Mapping[str, Key], rows: list[tuple[str, ExperimentRow]], equations: str
) -> str:
    """Returns the page of one experiment."""
    words, commands = head_comment(path)
    lines = [f"# {name}", "", words, "", *(f"    {line}" for line in commands), ""]
    tree = read_yaml(path)[0]
    base = tree.pop("base", None)
    if base:
        lines += [f"Built on [{Path(base).stem}]({_page(path, base)}); the keys below differ from it.", ""]
    lines += ["## Keys", "", SOURCES, "", *_key_table(path, flatten(tree), keys), ""]
    lines += _equations(path.stem, equations)
    found = [(title, row) for title, row in rows if row.label.split("-")[0] == path.stem]
    if found:
        lines += ["## Published scores", "", *map(keep_intervals, _score_table(found)), ""]
    return "\n".join([*lines, "## YAML file", "", "```yaml", path.read_text(encoding="utf-8").rstrip(), "```", ""])


def _page(path: Path, base: str) -> str:
    """Returns the page of a base: the recipe's own experiment, or the shared one of that name."""
    own = path.parent / base
    is_own = own.is_file() and own != path and path.parent != EXPERIMENTS
    return f"{path.parts[-3]}-{own.stem}.md" if is_own else f"{own.stem}.md"


def _key_table(path: Path, values: Mapping[str, object], keys: Mapping[str, Key]) -> list[str]:
    comments = dict(re.findall(r"^\s*(?:\w+\.)?(\w+):[^#\n]*#\s*(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE))
    rows = []
    for key, value in values.items():
        default, description = keys.get(key.removeprefix("tune."), ("", "values from which dev chooses"))
        source = _SOURCE.findall(comments.get(key.rpartition(".")[2], "")) or _SOURCE.findall(description)
        meaning = _SOURCE.sub("", description).strip()
        cells = (f"`{key}`", f"`{show(value)}`", f"`{show(default)}`", " ".join(dict.fromkeys(source)), meaning)
        rows.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    return ["| key | here | default | source | meaning |", "|---|---|---|---|---|", *rows]


def show(value: object) -> str:
    """Returns a value as in YAML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {show(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(show, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) or '""'


def _equations(name: str, text: str) -> list[str]:
    """Returns the sections of IPR.md whose heading names an experiment, and links to those that mention it."""
    sections = re.split(r"(?m)^(?=## )", text)[1:]
    lines, mentioned = [], []
    for section in sections:
        heading, _, body = section.partition("\n")
        if f"`{name}`" in heading:
            lines += ["## Equations", "", _to_experiments(body.strip()), ""]
        elif f"`{name}`" in body:
            mentioned.append(heading.removeprefix("## "))
    if mentioned:
        words = ", ".join(f"*{heading}*" for heading in mentioned)
        lines += [f"See also [the equations of IPR](../{EQUATIONS}): {words}.", ""]
    return lines


def _to_experiments(text: str) -> str:
    """Returns Markdown of conf/experiments with its links as seen from the pages of experiments."""
    return re.sub(r"\]\((?!\w+:)([^)#]+)", r"](../conf/experiments/\1", text)


def _score_table(found: list[tuple[str, ExperimentRow]]) -> list[str]:
    heads = [f"{METRICS[score].title} {METRICS[score].arrow}" for score in SCORES]
    lines = ["| table | system | seeds | " + " | ".join(heads) + " |", "|---|---|---|" + "---|" * len(heads)]
    for title, row in found:
        cells = [row.cell(score, pooled).text() for score in SCORES]
        lines.append(f"| {title} | {row.label} | {row.seeds()} | " + " | ".join(cells) + " |")
    return lines
