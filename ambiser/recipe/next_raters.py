"""Ranks utterances by the expected gain of one more rater, and simulates asking in that order."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ambiser.config.data_keys import LabelPolicy
from ambiser.errors import DataError
from ambiser.io.files import write_text
from ambiser.io.layout import Layout, require
from ambiser.io.tables import read_table, read_tsv, write_tsv
from ambiser.labels.entropy import entropy_bits
from ambiser.labels.label_view import view_labels
from ambiser.labels.next_rater import Beliefs, Curve, believe, simulate
from ambiser.labels.vocabulary import class_numbers
from ambiser.labels.vote_table import SLOTS, SOURCES, VoteTable, read_votes
from ambiser.scoring.prediction_table import read_predictions

KNOWN, STEPS, DRAWS = 1, 20, 10
"""The simulation: votes per utterance at the start, steps, and random orders."""


@dataclass(frozen=True)
class Candidates:
    """N utterances with predictions.

    Attributes:
        utts: names.
        classes: C names.
        members: (M, N, C) predicted by each member of an ensemble.
        counts: (N, C) votes so far, in the classes.
        raters: who has voted already, for each utterance.
        labels: (N, V) class of each vote, raters in bytewise order; -1 for none.
    """

    utts: list[str]
    classes: tuple[str, ...]
    members: np.ndarray
    counts: np.ndarray
    raters: list[list[str]]
    labels: np.ndarray


def find_candidates(data_dir: Path, predictions: Sequence[Path], policy: LabelPolicy) -> Candidates:
    """Reads predictions and votes.

    Args:
        data_dir: that stage 1 wrote.
        predictions: predictions.tsv of folds, of seeds or of both; several of one utterance are an ensemble.
        policy: the labels of the experiment. Utterances that it leaves out for their votes are no candidates.

    Raises:
        DataError: a file is damaged, or utterances have different numbers of predictions.
    """
    votes = read_votes(require(Layout.of_data(data_dir).table("votes.tsv"), "prepare"))
    view = view_labels(votes, policy)
    found = _predictions(predictions, list(view.classes))
    known = dict(zip(view.utts, view.counts, strict=True))
    with_votes = set(votes.utts)
    utts = [utt for utt in sorted(found, key=str.encode) if utt in known or utt not in with_votes]
    if not utts:
        raise DataError(f"{predictions[0]}: predicts no utterance of {data_dir}; name predictions of this corpus")
    nothing = np.zeros(len(view.classes))
    raters, labels = _single_votes(votes, policy, utts)
    return Candidates(
        utts,
        view.classes,
        np.stack([found[utt] for utt in utts], axis=1),
        np.stack([known.get(utt, nothing) for utt in utts]),
        raters,
        labels,
    )


def _predictions(paths: Sequence[Path], classes: list[str]) -> dict[str, list[np.ndarray]]:
    """Returns the (C,) predictions of each utterance."""
    found: dict[str, list[np.ndarray]] = {}
    for path in paths:
        utts = [row["utt"] for row in read_tsv(path, ["utt"])]
        for utt, row in zip(utts, read_predictions(path, classes, utts), strict=True):
            found.setdefault(utt, []).append(row)
    sizes = {utt: len(rows) for utt, rows in found.items()}
    if len(set(sizes.values())) > 1:
        fewest, most = min(sizes, key=sizes.get), max(sizes, key=sizes.get)
        raise DataError(
            f"'{most}' has {sizes[most]} predictions, '{fewest}' {sizes[fewest]}; name the same folds of each seed"
        )
    return found


def _single_votes(votes: VoteTable, policy: LabelPolicy, utts: list[str]) -> tuple[list[list[str]], np.ndarray]:
    """Returns who voted on each utterance, and the (N, V) classes of the votes of outside raters."""
    class_of = class_numbers(policy, votes.labels)
    row_of = {utt: row for row, utt in enumerate(utts)}
    raters: list[dict[str, int]] = [{} for _ in utts]
    outside = (votes.source == SOURCES.index("outside")) & (votes.slot == SLOTS.index("primary"))
    for at in np.flatnonzero(outside):
        row = row_of.get(votes.utts[votes.utt[at]])
        if row is not None:
            raters[row].setdefault(votes.raters[votes.rater[at]], int(class_of[votes.label[at]]))
    given = [[label for _, label in sorted(one.items()) if label >= 0] for one in raters]
    labels = np.full((len(utts), max(1, *map(len, given))), -1)
    for row, values in enumerate(given):
        labels[row, : len(values)] = values
    return [sorted(one) for one in raters], labels


def ranked_rows(found: Candidates, beliefs: Beliefs, data_dir: Path) -> list[dict[str, object]]:
    """Returns a row per utterance, the highest gain first."""
    layout = Layout.of_data(data_dir)
    wavs, words = (read_table(layout.table(name), allow_empty_value=True) for name in ("wav.scp", "text"))
    gains, estimate = beliefs.gains(found.counts), beliefs.estimate(found.counts)
    entropy, spread = entropy_bits(estimate), found.members.var(axis=0).sum(axis=1)
    order = np.argsort(-gains, kind="stable")
    return [
        {
            "rank": rank,
            "utt": found.utts[row],
            "gain": f"{gains[row]:.6f}",
            "votes": f"{found.counts[row].sum():g}",
            "entropy_bits": f"{entropy[row]:.4f}",
            "member_variance": f"{spread[row]:.6f}",
            **{f"p_{name}": f"{estimate[row, i]:.4f}" for i, name in enumerate(found.classes)},
            "raters": " ".join(found.raters[row]),
            "audio": wavs.get(found.utts[row], ""),
            "text": words.get(found.utts[row], ""),
        }
        for rank, row in enumerate(order, start=1)
    ]


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Writes the list as CSV."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, stream.getvalue())


def write_label_studio(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Writes the list as tasks of Label Studio, without the prediction: raters should not see it."""
    tasks = [
        {
            "data": {key: row[key] for key in ("audio", "utt", "text")},
            "meta": {key: row[key] for key in ("rank", "gain", "votes", "raters")},
        }
        for row in rows
    ]
    write_text(path, json.dumps(tasks, ensure_ascii=False, indent=1) + "\n")


def simulate_asking(found: Candidates, seed: int = 0) -> tuple[Curve, np.ndarray]:
    """Hides all votes but the first of each utterance and asks for them by gain and in random orders.

    Returns:
        The curve by gain, and (DRAWS, K) errors of random orders at the same numbers of votes.

    Raises:
        DataError: fewer than two utterances have several votes.
    """
    several = (found.labels >= 0).sum(axis=1) > 1
    if several.sum() < 2:
        raise DataError("--simulate needs utterances with two or more votes; there is at most one such utterance")
    labels, members = found.labels[several], found.members[:, several]
    beliefs = believe(members, np.eye(len(found.classes))[labels[:, 0]])
    shared, generator = {"known": KNOWN, "steps": STEPS}, np.random.default_rng(seed)
    by_gain = simulate(beliefs, labels, **shared, choose=lambda counts, left: beliefs.gains(counts))
    drawn = []
    for _ in range(DRAWS):
        curve = simulate(beliefs, labels, **shared, choose=lambda counts, left: generator.random(len(left)))
        drawn.append(np.interp(by_gain.votes, curve.votes, curve.error))
    return by_gain, np.stack(drawn)


def write_simulation(path: Path, by_gain: Curve, drawn: np.ndarray) -> None:
    """Writes votes, the squared error by gain, and mean, lowest and highest error of random orders."""
    columns = ["votes", "error_by_gain", "error_random", "error_random_low", "error_random_high"]
    values = np.stack([by_gain.error, drawn.mean(axis=0), drawn.min(axis=0), drawn.max(axis=0)], axis=1)
    rows = ([int(votes), *(f"{x:.6f}" for x in row)] for votes, row in zip(by_gain.votes, values, strict=True))
    write_tsv(path, columns, rows)
