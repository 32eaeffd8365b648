"""Writes the generated tables of READMEs: `python -m tools.docs.tables`; a test checks that they are current."""

import csv
import re
from collections.abc import Iterable
from pathlib import Path

from ambiser.io.files import write_text
from ambiser.report.comparable import ExperimentRow, ResultTable, make_tables, pooled
from ambiser.report.published_tables import read_summaries
from ambiser.report.shown_scores import FLOORS, HUMAN
from ambiser.scoring.score_names import METRICS
from tools.docs.experiments import first_sentence, head_comment
from tools.docs.scale import scale_table

ROOT = Path(__file__).resolve().parents[2]
SHOWN = {
    "ce": "majority label, cross-entropy",
    "soft_ce": "votes, cross-entropy",
    "jsd": "votes, JSD",
    "fusion_jsd": "votes, JSD, with words",
    "amber2": "AmbER²: `fusion_jsd` guided by teachers",
    "ce_precise": "precise clips alone, cross-entropy",
    "ipr": "IPR: precise clips, and ambiguous ones without labels",
    "ipr_plus": "IPR with our extensions",
}
"""Experiments of the table in README.md, and what they learn from."""
SCORES = ("accuracy", "ua", "bc", "jsd_bits")
WITHHELD = {
    "ipr": "",
    "ce_precise": "",
    "ipr_threshold": "",
    "ce_precise_gaussian": "",
    "ipr_plus_no_gaussian": "",
    "ipr_plus_no_shares": "",
    "ipr_plus": "",
    "ce": ", all majority labels",
}
"""Experiments of the tables of egs/crema_d/README.md, and words behind their names."""
PAIRS = (
    ("ipr_plus", "ce_precise"),
    ("ipr_plus_no_shares", "ce_precise"),
    ("ipr_plus", "ce_precise_gaussian"),
    ("ipr_plus_no_shares", "ce_precise_gaussian"),
    ("ipr_plus", "ipr"),
    ("ce", "ce_precise"),
)
"""Differences of the second table: other, base."""
WIDE = ("accuracy", "ua", "macro_auroc", "bc", "jsd_bits")
_LETTERS = re.compile(r"\[([PSID])\b")


def results_table(root: Path) -> str:
    """Returns the table of README.md: experiments on the four classes of CREMA-D, single raters, the class prior.

    Raises:
        ValueError: an experiment has not been published.
    """
    table, rows = _published(root, SHOWN)
    lines = ["| experiment | learns from | " + " | ".join(_heads(SCORES)) + " |", "|---|---|" + "---:|" * len(SCORES)]
    for name, words in SHOWN.items():
        cells = [rows[name].cell(score, pooled) for score in SCORES]
        shown = [f"{cell.value:.3f} [{cell.interval[0]:.3f}, {cell.interval[1]:.3f}]" for cell in cells]
        lines.append(f"| [`{name}`](conf/experiments/{name}.yaml) | {words} | " + " | ".join(shown) + " |")
    return "\n".join([*lines, *_references(table)])


def _published(root: Path, names: Iterable[str]) -> tuple[ResultTable, dict[str, ExperimentRow]]:
    """Returns the four-class results of CREMA-D, and their rows by the name of the experiment."""
    tables = make_tables(read_summaries(root / "egs" / "crema_d" / "results"))
    table = next(table for table in tables if len(table.first.stamp.class_names) == 4)
    rows = {row.label.split("-")[0]: row for row in table.rows if row.label.count("-") == 1}
    if lost := [name for name in names if name not in rows]:
        raise ValueError(f"egs/crema_d/results lacks {', '.join(lost)}; publish them or change {__file__}")
    return table, rows


def _heads(scores: Iterable[str]) -> list[str]:
    return [f"{METRICS[score].title} {METRICS[score].arrow}" for score in scores]


def withheld_table(root: Path) -> str:
    """Returns the scores of experiments that withhold the labels of ambiguous clips.

    Raises:
        ValueError: an experiment has not been published.
    """
    _, rows = _published(root, WITHHELD)
    lines = ["| | " + " | ".join(_heads(WIDE)) + " |", "|---|" + "---:|" * len(WIDE)]
    for name, words in WITHHELD.items():
        cells = [f"{rows[name].cell(score, pooled).value:.3f}" for score in WIDE]
        lines.append(f"| `{name}`{words} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def differences_table(root: Path) -> str:
    """Returns the differences between these experiments, with intervals, as `ambiser.bin.sweep` wrote them.

    Raises:
        ValueError: a pair is missing.
    """
    path = root / "egs" / "crema_d" / "differences" / "pairs.tsv"
    with path.open(encoding="utf-8", newline="") as stream:
        found = {(row["other"], row["base"], row["score"]): row for row in csv.DictReader(stream, delimiter="\t")}
    lines = ["| difference, 95 % interval over actors | " + " | ".join(_heads(WIDE)) + " |"]
    lines.append("|---|" + "---:|" * len(WIDE))
    for other, base in PAIRS:
        if lost := [score for score in WIDE if (other, base, score) not in found]:
            raise ValueError(f"{path} lacks {other} and {base} with {', '.join(lost)}; make it anew with sweep")
        values = [[float(found[other, base, score][key]) for key in ("difference", "low", "high")] for score in WIDE]
        cells = [f"{value:+.3f} [{low:+.3f}, {high:+.3f}]" for value, low, high in values]
        lines.append(f"| `{other}` − `{base}` | " + " | ".join(cells) + " |")
    return "\n".join(lines).replace("-0.", "−0.")


def _references(table: ResultTable) -> list[str]:
    raters = [table.human(score, pooled).text() for score in SCORES]
    prior = [table.floor(score, "prior", pooled).text() for score in SCORES]
    return [
        f"| *{HUMAN}* | each against the distribution of the others | " + " | ".join(raters) + " |",
        f"| *{FLOORS['prior']}* | no input | " + " | ".join(prior) + " |",
    ]


def experiment_list(root: Path) -> str:
    """Returns the table of conf/README.md: a line per shared experiment."""
    lines = ["| experiment | what it is | source |", "|---|---|---|"]
    for path in sorted((root / "conf" / "experiments").glob("*.yaml")):
        letters = sorted(set(_LETTERS.findall(path.read_text(encoding="utf-8"))), key="PSID".index)
        sentence = _LETTERS.sub("", first_sentence(head_comment(path)[0])).replace(" ]", "").replace("]", "")
        lines.append(f"| [`{path.stem}`](experiments/{path.name}) | {sentence} | {' '.join(letters)} |")
    return "\n".join(lines)


TABLES = {
    "README.md": {"results": results_table},
    "conf/README.md": {"experiments": experiment_list},
    "tools/README.md": {"scale": scale_table},
    "egs/crema_d/README.md": {"withheld": withheld_table, "differences": differences_table},
}
"""By file: the names of the markers, and what makes the lines between them."""


def with_tables(root: Path, name: str) -> str:
    """Returns the text of a README with its tables made anew.

    Raises:
        ValueError: the file lacks the markers `<!-- NAME: ... -->` and `<!-- end of NAME -->`.
    """
    text = (root / name).read_text(encoding="utf-8")
    for marker, make in TABLES[name].items():
        found = re.search(rf"(<!-- {marker}: .*? -->\n)(.*?)(<!-- end of {marker} -->)", text, re.DOTALL)
        if not found:
            raise ValueError(f"{name}: lacks the lines <!-- {marker}: ... --> and <!-- end of {marker} -->")
        text = f"{text[: found.end(1)]}\n{make(root)}\n\n{text[found.start(3) :]}"
    return text


if __name__ == "__main__":
    for file in TABLES:
        write_text(ROOT / file, with_tables(ROOT, file))
