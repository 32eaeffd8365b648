"""RESULTS.md and the table on the terminal; the same results give the same bytes."""

import unicodedata
from collections.abc import Iterable, Sequence

from ambiser.report.comparable import (
    CALIBRATED,
    CLASS_SCORES,
    DISTRIBUTION_SCORES,
    FLOORS,
    HUMAN,
    LEVEL_SCORES,
    MADE_UP,
    Row,
    Table,
    Where,
    before_and_after,
    named,
    pooled,
    show,
    show_leaks,
    tables,
    warnings,
)
from ambiser.scoring.metrics import METRICS
from ambiser.scoring.results import Results

_HEAD = """\
# Results

Made by stage 8 from the results of the experiments; not meant to be edited.
"""
_READING = """\
`0.683 ± 0.004 [0.651, 0.712]` is the mean over seeds, its deviation over them where there are several, and the 95 %
interval from resamples of the speakers (with several seeds: the mean of its ends). `-` is a score that is undefined.
The last rows are floors: predictors that have heard nothing. Above them, single raters: each in turn against the
distribution of the others, which is a harder target than that of all.
"""


def render_markdown(results: Iterable[Results]) -> str:
    """Returns the text of RESULTS.md: a section for each set of comparable results, and a glossary."""
    results = list(results)
    if not results:
        return _HEAD + "\nThere are no results yet.\n"
    parts = [_HEAD, _READING]
    for table in tables(results):
        parts += _section(table)
    parts += ["## Words\n", _glossary()]
    return "\n".join(parts)


def render_terminal(results: Iterable[Results]) -> str:
    """Returns the scores without intervals, aligned for a terminal."""
    blocks = []
    for table in tables(results):
        header = ["", *(METRICS[name].title for name in (*CLASS_SCORES, *DISTRIBUTION_SCORES))]
        rows = [[row.label, *(_cells(row, pooled, False))] for row in table.rows]
        if table.human("bc", pooled).value is not None:
            rows += [[HUMAN, *(table.human(name, pooled).text() for name in (*CLASS_SCORES, *DISTRIBUTION_SCORES))]]
        rows += [[label, *_floors(table, floor, pooled)] for floor, label in FLOORS.items()]
        head = table.title() + ("; made up" if table.first["stamp"]["made_up"] else "")
        lines = [*(f"differs from the first table in {line}" for line in table.apart), *table.notes]
        blocks.append("\n".join([head, *lines, *aligned([header, *rows], "  ")]))
    return "\n\n".join(blocks) + "\n"


def render_lines(results: Results, width: int) -> str:
    """Returns a line for all folds pooled and one for each fold of several; names are padded to `width`."""
    metrics = ("accuracy", "ua", "macro_f1", "bc", "jsd_bits", "r2_pearson", "r2_determination", "ece")
    groups = {"pooled": results["scores"]["pooled"]}
    if len(results["scores"]["folds"]) > 1:
        groups |= {f"fold {fold}": group for fold, group in results["scores"]["folds"].items()}
    lines = []
    for name, group in groups.items():
        values = (group["scores"][metric] for metric in metrics)
        shown = ("-" if value is None else f"{value:.3f}" for value in values)
        cells = [f"{METRICS[metric].title} {value:>6}" for metric, value in zip(metrics, shown, strict=True)]
        lines.append("  ".join([results["tag"].ljust(width), f"{name:<7}", f"{group['utterances']:>6,}", *cells]))
    return "\n".join(lines)


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a Markdown table whose columns are padded, so that it reads well as text too."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (header, *rows)]
    lines = [f"| {line} |" for line in aligned(cells, " | ")]
    widths = [max(_width(row[i]) for row in cells) for i in range(len(header))]
    rule = ["-" * max(width, 3) for width in widths[:1]] + ["-" * (max(width, 3) - 1) + ":" for width in widths[1:]]
    return "\n".join([lines[0], f"| {' | '.join(rule)} |", *lines[1:]]) + "\n"


def _section(table: Table) -> list[str]:
    stamp = table.first["stamp"]
    parts = [f"## {table.title()}\n"]
    made_up = [MADE_UP] if stamp["made_up"] else []
    parts += [f"**{line}**\n" for line in [*made_up, *warnings(table)]]
    if table.apart:
        parts.append("Stands apart from the first table (first / here): " + "; ".join(table.apart) + ".\n")
    for title, metrics in (("Class", CLASS_SCORES), ("Distribution", DISTRIBUTION_SCORES)):
        header = [title, *(f"{METRICS[name].title} {METRICS[name].arrow}" for name in metrics)]
        rows = [[row.label, *_cells(row, pooled, True, metrics)] for row in table.rows]
        rows += [[HUMAN, *(table.human(metric, pooled).text() for metric in metrics)]]
        rows += [[label, *_floors(table, floor, pooled, metrics)] for floor, label in FLOORS.items()]
        parts.append(markdown_table(header, [row for row in rows if set(row[1:]) != {"-"}]))
    parts += [*(f"* {note}" for note in table.notes), ""] if table.notes else []
    parts += ["### By level of ambiguity\n", level_line(table) + "\n", _grouped(table, "levels")]
    parts += ["### By kind\n", kind_line(table) + "\n", _grouped(table.same_kinds(), "kinds")]
    if table.first["scores"]["genders"]:
        parts += ["### By gender of the speaker\n", _grouped(table, "genders")]
    parts += _calibration(table)
    parts += ["### Mean ± deviation over folds\n", _over_folds(table)]
    parts += ["### What was scored\n", _stamp_list(table), _stamp_table(table)]
    return parts


def _cells(row: Row, where: Where, interval: bool, metrics: Sequence[str] = CLASS_SCORES + DISTRIBUTION_SCORES) -> list:
    return [row.cell(metric, where).text(interval) for metric in metrics]


def _floors(
    table: Table, floor: str, where: Where, metrics: Sequence[str] = CLASS_SCORES + DISTRIBUTION_SCORES
) -> list:
    return [table.floor(metric, floor, where).text() for metric in metrics]


def _grouped(table: Table, section: str) -> str:
    names = [group["name"] for group in table.first["scores"][section]]
    columns = [
        (metric, name)
        for metric in LEVEL_SCORES
        for name in names
        if any(row.cell(metric, named(section, name)).value is not None for row in table.rows)
    ]
    header = ["", *(f"{METRICS[metric].title}, {name}" for metric, name in columns)]
    rows = [
        [row.label, *(row.cell(metric, named(section, name)).text(False) for metric, name in columns)]
        for row in table.rows
    ]
    prior = [table.floor(metric, "prior", named(section, name)).text() for metric, name in columns]
    human = [table.human(metric, named(section, name)).text() for metric, name in columns]
    ceiling = [] if set(human) == {"-"} else [[HUMAN, *human]]
    return markdown_table(header, [*rows, *ceiling, [FLOORS["prior"], *prior]])


def _calibration(table: Table) -> list[str]:
    """Returns the section on calibration: the scores before and after it, where there was one."""
    rows = [[label, *cells] for label, cells in before_and_after(table)]
    header = ["Calibration", *(METRICS[metric].title for metric in CALIBRATED)]
    return ["### Before and after calibration\n", markdown_table(header, rows)] if rows else []


def level_line(table: Table) -> str:
    """Says where the levels begin and how many utterances they have."""
    parts = []
    for level in table.first["scores"]["levels"]:
        above, upto = level["above_bits"], level["up_to_bits"]
        bounds = [f"H > {above:g}" if above is not None else "", f"H <= {upto:g}" if upto is not None else ""]
        parts.append(f"{level['name']} ({', '.join(b for b in bounds if b)}): {level['utterances']:,} utterances")
    return "Entropy H of the votes in bits. " + "; ".join(parts) + "."


def kind_line(table: Table) -> str:
    """Says what precise means and how many utterances each kind has."""
    kinds = [f"{kind['name']}: {kind['utterances']:,} utterances" for kind in table.first["scores"]["kinds"]]
    policy = table.first["stamp"]["policies"]["precise"]
    here = {row.label for row in table.same_kinds().rows}
    theirs = {row.label: row.results[0]["stamp"]["policies"]["precise"] for row in table.rows}
    others = [f"{label} ({precise})" for label, precise in theirs.items() if label not in here]
    apart = f" Not shown, because other utterances are precise there: {', '.join(others)}." if others else ""
    return f"Precise means: {policy}. " + "; ".join(kinds) + "." + apart


def _over_folds(table: Table) -> str:
    metrics = (*CLASS_SCORES[:3], *DISTRIBUTION_SCORES[:4])
    rows = []
    for row in table.rows:
        for one in row.results:
            cells = []
            for metric in metrics:
                fold = one["scores"]["over_folds"][metric]
                deviation = "" if fold["deviation"] is None else f" ± {fold['deviation']:.3f}"
                cells.append("-" if fold["mean"] is None else f"{fold['mean']:.3f}{deviation}")
            rows.append([f"{row.label}, seed {one['stamp']['seed']}" if len(row.results) > 1 else row.label, *cells])
    return markdown_table(["", *(METRICS[name].title for name in metrics)], rows)


def _stamp_list(table: Table) -> str:
    return "".join(f"* {name}: {value}\n" for name, value in shared_stamp(table))


def shared_stamp(table: Table) -> list[tuple[str, str]]:
    """Returns the parts of the stamp that all rows of a table share, as they are shown."""
    stamp, group = table.first["stamp"], pooled(table.first)
    known = group["with_reference"]
    left_out = [
        f"{count:,} {reason} ({where})"
        for where, counts in sorted(table.first["left_out"].items())
        for reason, count in counts.items()
    ]
    classes = [f"{name} ({show(stamp['classes'].get(name, ['all other labels']))})" for name in stamp["class_names"]]
    return [
        ("corpus", f"{stamp['corpus']} {stamp['version']}".strip()),
        ("classes", ", ".join(classes)),
        ("policies", ", ".join(f"{key} {show(value)}" for key, value in sorted(stamp["policies"].items()))),
        ("split", f"{stamp['protocol']}, dev {stamp['dev']}, folds {show(stamp['folds'])}"),
        ("shared between training, dev and test", show_leaks(stamp)),
        ("utterances", f"{group['utterances']:,} by {group['speakers']} speakers, {known:,} with a majority"),
        ("left out", "; ".join(left_out) or "none"),
        ("test set", stamp["test_set"]),
    ]


def stamp_rows(table: Table) -> tuple[list[str], list[list[str]]]:
    """Returns header and rows of what differs between the experiments of a table."""
    header = [
        "Experiment",
        "inputs",
        "stages",
        "speech",
        "text",
        "seeds",
        "chosen by dev",
        "epochs kept",
        "config",
        "commit",
    ]
    rows = []
    for row in table.rows:
        stamp = row.results[0]["stamp"]
        chosen = {stage: stamp["selection"][stage] for stage in stamp["stages"]}
        by = ", ".join(f"{score} ({stage})" for stage, score in chosen.items())
        by = show(list(set(chosen.values()))) if len(set(chosen.values())) == 1 else by
        commits = dict.fromkeys(one["stamp"]["commit"] for one in row.results)
        features = [show(stamp[key]) for key in ("stages", "ssl", "text")]
        hashes = [stamp["config_hash"], show(list(commits))]
        rows.append([row.label, stamp["inputs"], *features, row.seeds(), by, _kept(row.results), *hashes])
    return header, rows


def _kept(results: Sequence[Results]) -> str:
    """Returns for every stage the first and last of the epochs that were kept over folds and seeds, and of how many."""
    shown = []
    for stage in results[0]["stamp"]["stages"]:
        kept = [epoch for one in results for epoch in one["stamp"]["kept"].get(stage, {}).values()]
        if kept:
            ends = dict.fromkeys([min(kept), max(kept)])
            shown.append("\N{EN DASH}".join(map(str, ends)) + f" of {results[0]['stamp']['epochs'][stage]}")
    return ", ".join(shown) or "-"


def _stamp_table(table: Table) -> str:
    return markdown_table(*stamp_rows(table))


def _glossary() -> str:
    return "".join(f"* {metric.title}: {metric.meaning} ({metric.better} is better)\n" for metric in METRICS.values())


def aligned(rows: Sequence[Sequence[str]], between: str) -> list[str]:
    """Pads the first column on the right and the others on the left."""
    widths = [max(max(_width(row[i]) for row in rows), 3) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        padding = [" " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)]
        cells = [row[0] + padding[0], *(pad + cell for pad, cell in zip(padding[1:], row[1:], strict=True))]
        lines.append(between.join(cells).rstrip())
    return lines


def _width(text: str) -> int:
    return sum(unicodedata.combining(letter) == 0 for letter in text)
