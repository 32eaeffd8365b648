"""Writes the first screen of RESULTS.md: the finding in generated sentences, at most ten rows, the command."""

from collections import Counter
from collections.abc import Sequence

from ambiser.report.comparable import ExperimentRow, ResultTable, pooled
from ambiser.report.shown_scores import FLOORS, HUMAN
from ambiser.report.text_table import markdown_table
from ambiser.scoring.comparison import Difference
from ambiser.scoring.score_names import METRICS
from ambiser.scoring.stamp import IMPORTED

FOUND_IN = ("accuracy", "macro_auroc", "jsd_bits")
"""The scores whose best experiment is named."""
COLUMNS = ("accuracy", "ua", "macro_auroc", "bc", "jsd_bits")
MOST_ROWS = 10
ORDERED_BY = "jsd_bits"


def render_overview(table: ResultTable, differences: Sequence[Difference]) -> list[str]:
    """Returns Markdown: best experiments against the baseline, a short table, and how to make it.

    The baseline is the first system of the published comparisons; without one, the class prior.

    Args:
        table: the largest set of comparable results.
        differences: published ones.
    """
    differences = _of_table(table, differences)
    base = _baseline(table, differences)
    parts = [f"## {table.title()}: overview\n"]
    parts += ["".join(f"* {_finding(table, base, metric, differences)}\n" for metric in FOUND_IN)]
    rows = _best_rows(table, base)
    parts += [_short_table(table, rows)]
    return [*parts, _command(rows)]


def _of_table(table: ResultTable, differences: Sequence[Difference]) -> list[Difference]:
    labels = {row.label for row in table.rows}
    return [one for one in differences if {one.base, one.other} <= labels]


def _baseline(table: ResultTable, differences: Sequence[Difference]) -> ExperimentRow | None:
    counted = Counter(one.base for one in differences)
    if not counted:
        return None
    return next(row for row in table.rows if row.label == counted.most_common(1)[0][0])


def _ranked(table: ResultTable, metric: str) -> list[ExperimentRow]:
    """Returns the experiments where a score is defined, the best first; equal ones by name. Oracles are no results."""
    sign = -1 if METRICS[metric].better == "higher" else 1
    cells = [(row.cell(metric, pooled).value, row) for row in table.rows if not row.is_oracle]
    known = [(sign * value, row.label, row) for value, row in cells if value is not None]
    return [row for *_, row in sorted(known, key=lambda item: item[:2])]


def _finding(table: ResultTable, base: ExperimentRow | None, metric: str, differences: Sequence[Difference]) -> str:
    """Returns a sentence: which experiment is best in a score, and how far from the baseline."""
    title, ranked = METRICS[metric].title, _ranked(table, metric)
    if not ranked:
        return f"{title} is undefined for every experiment."
    best, extreme = ranked[0], "Highest" if METRICS[metric].better == "higher" else "Lowest"
    start = f"{extreme} {title}: **{best.label}** with {best.cell(metric, pooled).text()}"
    if base is None:
        return f"{start}; {FLOORS['prior']} {table.floor(metric, 'prior', pooled).text()}."
    if best.label == base.label:
        return f"{start}, the baseline."
    sentence = f"{start}; baseline {base.label} {base.cell(metric, pooled).text()}"
    found = [one for one in differences if (one.base, one.other, one.metric) == (base.label, best.label, metric)]
    return sentence + (f"; difference {_difference(found[0])}." if found else ".")


def _difference(one: Difference) -> str:
    parts = ["-" if one.value is None else f"{one.value:+.3f}"]
    if one.interval is not None:
        parts[0] += f" [{one.interval[0]:+.3f}, {one.interval[1]:+.3f}]"
    if one.p_holm is not None:
        parts.append(f"p = {one.p_holm:.4f} over speakers (bootstrap, Holm)")
    if one.p_t is not None:
        parts.append(f"p = {one.p_t:.4f} over seeds and folds (corrected t-test)")
    return ", ".join(parts)


def _best_rows(table: ResultTable, base: ExperimentRow | None) -> list[ExperimentRow]:
    """Returns the baseline and the best experiments by each of FOUND_IN in turn, ordered by ORDERED_BY.

    There is room for single raters and the class prior in MOST_ROWS.
    """
    lists = [_ranked(table, metric) for metric in FOUND_IN]
    in_turn = [ranked[i] for i in range(len(table.rows)) for ranked in lists if i < len(ranked)]
    chosen = {row.label: row for row in ([] if base is None else [base]) + in_turn}
    kept = set(list(chosen)[: MOST_ROWS - 2])
    ordered = [row for row in _ranked(table, ORDERED_BY) if row.label in kept]
    return ordered or [chosen[label] for label in sorted(kept)]


def _short_table(table: ResultTable, rows: Sequence[ExperimentRow]) -> str:
    header = ["", *(f"{METRICS[metric].title} {METRICS[metric].arrow}" for metric in COLUMNS)]
    cells = [[row.label, *(row.cell(metric, pooled).text() for metric in COLUMNS)] for row in rows]
    human = [table.human(metric, pooled).text() for metric in COLUMNS]
    cells += [] if set(human) == {"-"} else [[HUMAN, *human]]
    cells.append([FLOORS["prior"], *(table.floor(metric, "prior", pooled).text() for metric in COLUMNS)])
    return markdown_table(header, cells)


def _command(rows: Sequence[ExperimentRow]) -> str:
    """Returns the commands, one per upstream, that train, score and publish the rows again.

    An experiment is named CONFIG-SSL, or CONFIG-SSL-TAG with `--tag`. Rows with a tag had `--set` options that no table
    holds, so the commands leave them out, and imported predictions too; a sentence names both.
    """
    plain = [row for row in rows if row.label.count("-") == 1 and row.stamp.inputs != IMPORTED]
    others = [row.label for row in rows if row not in plain]
    commands = []
    for ssl in sorted({row.label.split("-")[1] for row in plain}):
        of_ssl = [row for row in plain if row.label.split("-")[1] == ssl]
        corpus = "" if of_ssl[0].stamp.made_up else "--corpus_dir DIR "
        configs = " ".join(sorted(row.label.split("-")[0] for row in of_ssl))
        seeds = " ".join(map(str, sorted({one.stamp.seed for row in of_ssl for one in row.results} - {None})))
        words = f'{corpus}--ssl {ssl} --config "{configs}" --seeds "{seeds}" --publish true'
        commands.append(f"    ./run.sh {words}\n")
    made = f"Made by:\n\n{''.join(commands)}" if commands else ""
    note = f"Made with other options, which config.yaml in the experiment's folder lists: {', '.join(others)}.\n"
    return "\n".join([made] * bool(made) + [note] * bool(others))
