"""Describes what surrounds a table of results: levels, kinds, what was scored, how the experiments differ."""

from collections import Counter
from collections.abc import Sequence

from ambiser.report.comparable import ExperimentRow, ResultTable, pooled, show_leaks
from ambiser.scoring.results import Summary
from ambiser.scoring.stamp import show

STAMP_HEADER = (
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
)


def level_line(table: ResultTable) -> str:
    """Returns the borders of the levels and how many utterances they have."""
    parts = []
    for level in table.first.scores.levels:
        above, upto = level.above_bits, level.up_to_bits
        bounds = [f"H > {above:g}" if above is not None else "", f"H <= {upto:g}" if upto is not None else ""]
        parts.append(f"{level.name} ({', '.join(b for b in bounds if b)}): {level.utterances:,} utterances")
    return "Entropy H of the votes in bits: " + "; ".join(parts) + "."


def kind_line(table: ResultTable) -> str:
    """Returns what precise means and how many utterances each kind has."""
    kinds = [f"{kind.utterances:,} {kind.name}" for kind in table.first.scores.kinds]
    here = {row.label for row in table.same_kinds().rows}
    theirs = {row.label: row.stamp.policies["precise"] for row in table.rows}
    others = [f"{label} ({precise})" for label, precise in theirs.items() if label not in here]
    apart = f" Not shown, because other utterances are precise there: {', '.join(others)}." if others else ""
    return f"Utterances: {', '.join(kinds)}. Precise means: {table.first.stamp.policies['precise']}.{apart}"


def shared_stamp(table: ResultTable) -> list[tuple[str, str]]:
    """Returns name and value of what all rows of a table share."""
    stamp, group = table.first.stamp, pooled(table.first)
    left_out = [f"{count:,} {reason} ({where})" for reason, where, count in left_out_rows(table.first)]
    classes = [f"{name} ({show(stamp.classes.get(name, ['all other labels']))})" for name in stamp.class_names]
    return [
        ("corpus", f"{stamp.corpus} {stamp.version}".strip()),
        ("classes", ", ".join(classes)),
        ("policies", ", ".join(f"{key} {show(value)}" for key, value in sorted(stamp.policies.items()))),
        ("split", f"{stamp.protocol}, dev {stamp.dev}, folds {show(stamp.folds)}"),
        ("shared between training, dev and test", show_leaks(stamp)),
        (
            "utterances",
            f"{group.utterances:,} by {group.speakers} speakers, {group.with_reference:,} with a majority",
        ),
        ("left out", "; ".join(left_out) or "none"),
        ("test set", stamp.test_set),
    ]


def left_out_rows(results: Summary) -> list[tuple[str, str, int]]:
    """Returns reason, where and how many utterances, for all that were left out."""
    return [(reason, where, n) for where, counts in sorted(results.left_out.items()) for reason, n in counts.items()]


def stamp_rows(table: ResultTable) -> list[list[str]]:
    """Returns a row under STAMP_HEADER for each experiment of a table."""
    return [_stamp_row(row) for row in table.rows]


def _stamp_row(row: ExperimentRow) -> list[str]:
    stamp = row.stamp
    chosen = {stage: stamp.selection[stage] for stage in stamp.stages}
    by = ", ".join(f"{score} ({stage})" for stage, score in chosen.items())
    by = show(list(set(chosen.values()))) if len(set(chosen.values())) == 1 else by
    by += "".join(f"; {line}" for line in _choices(row.results))
    commits = dict.fromkeys(one.stamp.commit for one in row.results)
    features = [show(value) for value in (stamp.stages, stamp.ssl, stamp.text)]
    hashes = [stamp.config_hash, show(list(commits))]
    return [row.label, stamp.inputs, *features, row.seeds(), by, _kept(row.results), *hashes]


def _choices(results: Sequence[Summary]) -> list[str]:
    """Returns the grid, and how many of the folds of all seeds chose each point; nothing without a grid."""
    tuned = [one.stamp.tuning for one in results if one.stamp.tuning is not None]
    if not tuned:
        return []
    counts = Counter(point for one in tuned for point in one.chosen.values())
    chosen = ", ".join(f"{point} ({count} of {counts.total()} folds)" for point, count in counts.most_common())
    grid = ", ".join(f"{key} {show(values)}" for key, values in tuned[0].grid.items())
    return [f"{grid}: {chosen or 'by the members of the ensemble'}"]


def _kept(results: Sequence[Summary]) -> str:
    """Returns for each stage the first and last epoch kept over folds and seeds, and how many were trained at most."""
    stamp, shown = results[0].stamp, []
    for stage in stamp.stages:
        kept = [epoch for one in results for epoch in one.stamp.kept.get(stage, {}).values()]
        if kept:
            ends = dict.fromkeys([min(kept), max(kept)])
            shown.append("\N{EN DASH}".join(map(str, ends)) + f" of {stamp.epochs[stage]}")
    return ", ".join(shown) or "-"
