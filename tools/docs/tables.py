"""Writes the generated tables of READMEs: `python -m tools.docs.tables`; a test checks that they are current."""

import re
from pathlib import Path

from ambiser.io.files import write_text
from ambiser.report.comparable import ResultTable, make_tables, pooled
from ambiser.report.published_tables import read_summaries
from ambiser.report.shown_scores import FLOORS, HUMAN
from ambiser.scoring.score_names import METRICS
from tools.docs.experiments import first_sentence, head_comment

ROOT = Path(__file__).resolve().parents[2]
SHOWN = {
    "ce": "majority label, cross-entropy",
    "soft_ce": "votes, cross-entropy",
    "jsd": "votes, JSD",
    "fusion_jsd": "votes, JSD, with words",
    "amber2": "AmbER²: `fusion_jsd` guided by teachers",
    "ce_precise": "unanimous clips alone, cross-entropy",
    "ipr": "IPR: unanimous clips, and others without labels",
    "ipr_plus": "IPR with our extensions",
}
"""Experiments of the table in README.md, and what they learn from."""
SCORES = ("accuracy", "ua", "bc", "jsd_bits")
_LETTERS = re.compile(r"\[([PSID])\b")


def results_table(root: Path) -> str:
    """Returns the table of README.md: experiments on the four classes of CREMA-D, single raters, the class prior.

    Raises:
        ValueError: an experiment has not been published.
    """
    tables = make_tables(read_summaries(root / "egs" / "crema_d" / "results"))
    table = next(table for table in tables if len(table.first.stamp.class_names) == 4)
    rows = {row.label.split("-")[0]: row for row in table.rows if row.label.count("-") == 1}
    if lost := [name for name in SHOWN if name not in rows]:
        raise ValueError(f"egs/crema_d/results lacks {', '.join(lost)}; publish them or change SHOWN in {__file__}")
    heads = [f"{METRICS[score].title} {METRICS[score].arrow}" for score in SCORES]
    lines = ["| experiment | learns from | " + " | ".join(heads) + " |", "|---|---|" + "---:|" * len(heads)]
    for name, words in SHOWN.items():
        cells = [rows[name].cell(score, pooled) for score in SCORES]
        shown = [f"{cell.value:.3f} [{cell.interval[0]:.3f}, {cell.interval[1]:.3f}]" for cell in cells]
        lines.append(f"| [`{name}`](conf/experiments/{name}.yaml) | {words} | " + " | ".join(shown) + " |")
    return "\n".join([*lines, *_references(table)])


def _references(table: ResultTable) -> list[str]:
    raters = [table.human(score, pooled).text() for score in SCORES]
    prior = [table.floor(score, "prior", pooled).text() for score in SCORES]
    return [
        f"| *{HUMAN}* | each against the distribution of the others | " + " | ".join(raters) + " |",
        f"| *{FLOORS['prior']}* | no input | " + " | ".join(prior) + " |",
    ]


def experiment_list(root: Path) -> str:
    """Returns the table of conf/README.md: a line per shared experiment."""
    lines = ["| experiment | what it is | standing |", "|---|---|---|"]
    for path in sorted((root / "conf" / "experiments").glob("*.yaml")):
        letters = sorted(set(_LETTERS.findall(path.read_text(encoding="utf-8"))), key="PSID".index)
        sentence = _LETTERS.sub("", first_sentence(head_comment(path)[0])).replace(" ]", "").replace("]", "")
        lines.append(f"| [`{path.stem}`](experiments/{path.name}) | {sentence} | {' '.join(letters)} |")
    return "\n".join(lines)


TABLES = {"README.md": ("results", results_table), "conf/README.md": ("experiments", experiment_list)}
"""By file: the name of the markers, and what makes the lines between them."""


def with_table(root: Path, name: str) -> str:
    """Returns the text of a README with its table made anew.

    Raises:
        ValueError: the file lacks the markers `<!-- NAME: ... -->` and `<!-- end of NAME -->`.
    """
    marker, make = TABLES[name]
    text = (root / name).read_text(encoding="utf-8")
    found = re.search(rf"(<!-- {marker}: .*? -->\n)(.*?)(<!-- end of {marker} -->)", text, re.DOTALL)
    if not found:
        raise ValueError(f"{name}: lacks the lines <!-- {marker}: ... --> and <!-- end of {marker} -->")
    return f"{text[: found.end(1)]}\n{make(root)}\n\n{text[found.start(3) :]}"


if __name__ == "__main__":
    for file in TABLES:
        write_text(ROOT / file, with_table(ROOT, file))
