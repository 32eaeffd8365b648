"""Soft labels, hard labels and the precise/ambiguous sets, made from the raters' votes as the configuration says."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ambiser.config.data_keys import LABELS, LabelPolicy
from ambiser.errors import ConfigError
from ambiser.labels.dawid_skene import dawid_skene
from ambiser.labels.vote_table import ANONYMOUS, SLOTS, SOURCES, VoteTable

PRECISE, AMBIGUOUS, NEITHER = 0, 1, 2
_EPSILON = 1e-9  # masses are sums of 1/k: equal ones may differ in the last bits


@dataclass(frozen=True)
class LabelView:
    """The labels of the utterances that the policies keep.

    Attributes:
        classes: names, in the order of every (.., C) array.
        utts: the N kept utterances, sorted bytewise.
        counts: (N, C) vote mass inside the classes.
        soft: (N, C) counts / their sum, or posteriors with `aggregate: dawid_skene`; not smoothed.
        hard: (N,) class of the strict plurality over all counted votes; -1 = none.
        kind: (N,) 0 precise, 1 ambiguous, 2 neither.
        left_out: the reason for every other utterance.
    """

    classes: tuple[str, ...]
    utts: list[str]
    counts: np.ndarray
    soft: np.ndarray
    hard: np.ndarray
    kind: np.ndarray
    left_out: dict[str, str]


def view_labels(votes: VoteTable, labels: LabelPolicy, utts: Iterable[str] | None = None) -> LabelView:
    """Turns votes into labels as the configuration says.

    Every rater has one vote, shared between the labels he gave (split_mass), or one for each of them
    (one_vote_each). LabelPolicy of one class are added up first; each label outside the classes stays an option of its
    own (with extra_class they are one class 'other'). The hard label is the option with strictly the most mass. A tie
    is no majority, whatever `ties` says of the hard label.

    Secondary labels count in `counts` and `soft` as far as `secondary_weight` says: that share of a rater's vote is
    shared between them (split_mass), or each is that much of a vote (one_vote_each). They never count for the hard
    label and for what is precise.

    With `aggregate: dawid_skene`, `soft` is the posterior of that model, and `hard` its class where one is strictly the
    most probable; `counts` and all the rest stay the votes'. The model is fitted to the primary votes inside the
    classes of the utterances looked at, so that no part of a fold learns from another one.

    Precise are utterances whose winner is a class and holds the wanted share of all counted votes. Ambiguous are the
    other ones whose winner is a class; with `ambiguous: any` also those without such a winner; with
    `precise: majority` exactly those without one.

    Args:
        votes: the votes of the corpus.
        labels: the policies.
        utts: look at these utterances only; those without a vote are left out with that reason.
    """
    names = votes.utts if utts is None else sorted(set(utts), key=lambda k: k.encode("utf-8"))
    ballots = _count_ballots(votes, labels, names)
    classes, inside, options = _merge(_label_mass(ballots, labels, len(names), secondary=False), labels)
    if labels.secondary_weight > 0:
        _, inside, _ = _merge(_label_mass(ballots, labels, len(names), secondary=True), labels)
    total = options.sum(axis=1)
    best = options.max(axis=1)
    tied = options >= best[:, None] - _EPSILON
    winner = np.where(tied.sum(axis=1) == 1, tied.argmax(axis=1), -1)
    of_class = (winner >= 0) & (winner < len(classes))

    reasons = np.full(len(names), "", dtype=object)
    for reason, applies in _reasons(labels, total=total, inside=inside, winner=winner, n_classes=len(classes)):
        reasons[applies & (reasons == "")] = reason
    kept = reasons == ""

    hard = np.where(of_class, winner, -1)
    if labels.ties == "first":
        class_tied = tied[:, : len(classes)]
        hard = np.where((winner < 0) & class_tied.any(axis=1), class_tied.argmax(axis=1), hard)
    share = {"unanimous": 1.0, "majority": 0.0}.get(labels.precise, labels.precise)
    precise = of_class & (best >= share * total - _EPSILON)
    ambiguous = ~precise if labels.precise == "majority" or labels.ambiguous == "any" else ~precise & of_class
    kind = np.where(precise, PRECISE, np.where(ambiguous, AMBIGUOUS, NEITHER)).astype(np.int8)

    counts = inside[kept]
    soft = counts / counts.sum(axis=1, keepdims=True)
    if labels.aggregate == "dawid_skene":
        soft = _fit_dawid_skene(votes, ballots, labels, kept, classes)
        hard[kept] = np.where((soft >= soft.max(axis=1, keepdims=True)).sum(axis=1) == 1, soft.argmax(axis=1), -1)
    return LabelView(
        classes=classes,
        utts=[names[i] for i in np.flatnonzero(kept)],
        counts=counts,
        soft=soft,
        hard=hard[kept].astype(np.int64),
        kind=kind[kept],
        left_out={names[i]: str(reasons[i]) for i in np.flatnonzero(~kept)},
    )


def view_unlabelled(labels: LabelPolicy, utts: Iterable[str]) -> LabelView:
    """Returns a view of utterances whose votes are withheld: uniform soft labels, no hard label, no votes.

    It serves to predict them; nothing may be learned from it or scored with it.
    """
    names = sorted(set(utts), key=lambda k: k.encode("utf-8"))
    _, classes, _ = _merge_labels(labels)
    shape = (len(names), len(classes))
    none = np.full(len(names), -1, np.int64)
    kind = np.full(len(names), NEITHER, np.int8)
    return LabelView(classes, names, np.zeros(shape), np.full(shape, 1 / len(classes)), none, kind, left_out={})


def smooth_labels(soft: np.ndarray, e: float) -> np.ndarray:
    """Returns (1 - e) y + (1 - y) e / (C - 1) for soft labels (N, C); rows still sum to 1 (EMO-SUPERB's smoothing)."""
    return (1 - e) * soft + (1 - soft) * e / (soft.shape[1] - 1)


@dataclass(frozen=True)
class _Ballots:
    """The votes that count, as columns: row of the utterance, rater with source, primary or not, and label."""

    row: np.ndarray
    voter: np.ndarray
    primary: np.ndarray
    label: np.ndarray


def _count_ballots(votes: VoteTable, labels: LabelPolicy, names: list[str]) -> _Ballots:
    """Picks the votes for the named utterances by those whom the policies count."""
    row_of = {utt: i for i, utt in enumerate(names)}
    rows = np.fromiter((row_of.get(utt, -1) for utt in votes.utts), np.int64, len(votes.utts))[votes.utt]
    counted = rows >= 0
    if not labels.include_self:
        counted &= votes.source == SOURCES.index("outside")
    voter = votes.rater[counted].astype(np.int64) * len(SOURCES) + votes.source[counted]
    return _Ballots(rows[counted], voter, votes.slot[counted] == SLOTS.index("primary"), votes.label[counted])


def _label_mass(ballots: _Ballots, labels: LabelPolicy, n: int, *, secondary: bool) -> np.ndarray:
    """Returns the (n, labels) mass of the primary votes, or of all of them as `secondary_weight` says."""
    chosen = np.ones(len(ballots.row), bool) if secondary else ballots.primary
    row, primary, label = ballots.row[chosen], ballots.primary[chosen], ballots.label[chosen]
    weights = np.where(primary, 1.0, labels.secondary_weight)
    if labels.multi_label == "split_mass":
        width = int(ballots.voter.max(initial=0)) + 1
        voter = row * width + ballots.voter[chosen]
        _, inverse, given = np.unique(voter * 2 + primary, return_inverse=True, return_counts=True)
        if secondary:
            has_second = np.isin(voter, voter[~primary])
            weights = np.where(primary & has_second, 1 - labels.secondary_weight, weights)
        weights = weights / given[inverse]
    flat = np.bincount(row * len(LABELS) + label, weights=weights, minlength=n * len(LABELS))
    return flat.reshape(n, len(LABELS))


def _fit_dawid_skene(
    votes: VoteTable, ballots: _Ballots, labels: LabelPolicy, kept: np.ndarray, classes: tuple[str, ...]
) -> np.ndarray:
    """Returns the (kept, C) posteriors of Dawid and Skene's model."""
    if any(rater.startswith(ANONYMOUS) for rater in votes.raters):
        raise ConfigError(
            "labels.aggregate: dawid_skene must know who voted, and the raters of this corpus are anonymous; use votes"
        )
    one_hot, _, _ = _merge_labels(labels)
    class_of = np.where(one_hot.any(axis=1), one_hot.argmax(axis=1), -1)[ballots.label]
    chosen = ballots.primary & (class_of >= 0) & kept[ballots.row]
    row = (np.cumsum(kept) - 1)[ballots.row[chosen]]
    return dawid_skene(row, ballots.voter[chosen], class_of[chosen], n_items=int(kept.sum()), n_classes=len(classes))


def _merge_labels(labels: LabelPolicy) -> tuple[np.ndarray, tuple[str, ...], list[int]]:
    """Returns which label counts for which class (labels, C), the classes, and the labels outside them."""
    members = {name: [LABELS.index(label) for label in group] for name, group in labels.classes.items()}
    taken = {i for group in members.values() for i in group}
    outside = [i for i in range(len(LABELS)) if i not in taken]
    if labels.other_votes == "extra_class":
        members["other"], outside = outside, []
    counts_for = np.zeros((len(LABELS), len(members)), bool)
    for column, group in enumerate(members.values()):
        counts_for[group, column] = True
    return counts_for, tuple(members), outside


def _merge(mass: np.ndarray, labels: LabelPolicy) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Returns the classes, their mass (N, C), and the mass of all options (N, C + labels outside the classes)."""
    counts_for, classes, outside = _merge_labels(labels)
    inside = np.stack([mass[:, group].sum(axis=1) for group in counts_for.T], axis=1)
    return classes, inside, np.concatenate([inside, mass[:, outside]], axis=1)


def _reasons(
    labels: LabelPolicy, *, total: np.ndarray, inside: np.ndarray, winner: np.ndarray, n_classes: int
) -> list[tuple[str, np.ndarray]]:
    """Returns why utterances are left out, the first that applies first."""
    in_classes = inside.sum(axis=1)
    reasons = [("no counted votes", total < _EPSILON)]
    if labels.other_votes == "drop_utterance":
        reasons.append(("a vote outside the classes", total - in_classes > _EPSILON))
    reasons.append(("no vote inside the classes", in_classes < _EPSILON))
    if labels.other_majority == "drop_utterance":
        reasons.append(("majority outside the classes", winner >= n_classes))
    if labels.no_majority == "drop_utterance":
        reasons.append(("no majority", winner < 0))
    return reasons
