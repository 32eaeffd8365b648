"""Turns raters' votes into soft labels, hard labels and the precise and ambiguous sets."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ambiser.config.data_keys import LabelPolicy
from ambiser.labels.crowd_models import check_named, rater_posteriors
from ambiser.labels.vocabulary import check_classes, class_numbers
from ambiser.labels.vote_table import SLOTS, SOURCES, VoteTable, distinct

PRECISE, AMBIGUOUS, NEITHER = 0, 1, 2
_EPSILON = 1e-9  # masses are sums of 1/k, so equal masses may differ in the last bits


@dataclass(frozen=True)
class LabelView:
    """The labels of the utterances that the policies keep.

    Attributes:
        classes: names, in the order of the C columns.
        utts: the N kept utterances, sorted bytewise.
        counts: (N, C) vote mass inside the classes.
        soft: (N, C) counts / their sum, or posteriors of the model that `aggregate` names; not smoothed.
        hard: (N,) class with strictly the most of all counted votes; -1 for none.
        kind: (N,) PRECISE, AMBIGUOUS or NEITHER.
        left_out: by name of every other utterance, the reason.
    """

    classes: tuple[str, ...]
    utts: list[str]
    counts: np.ndarray
    soft: np.ndarray
    hard: np.ndarray
    kind: np.ndarray
    left_out: dict[str, str]


def view_labels(votes: VoteTable, labels: LabelPolicy, utts: Iterable[str] | None = None) -> LabelView:
    """Turns votes into labels under the configured policies.

    Votes: each rater has one vote, split among several labels (split_mass), or one vote per label (one_vote_each).
    Labels of the same class are summed first; every label outside the classes stays an option of its own (with
    extra_class they form one class 'other'). Secondary labels count in `counts` and `soft` with `secondary_weight`
    (that share of the vote is split between them, or each gets it), never in `hard` and `kind`.

    Hard label: the option with strictly the most mass. A tie is no majority, whatever `ties` says about `hard`.

    Precise: the winner is a class and has the configured share of all counted votes. Ambiguous: all others whose
    winner is a class; with `ambiguous: any` also those without a winner in the classes; with `precise: majority`
    exactly those without a majority.

    With a model as `aggregate`, `soft` holds its posteriors and `hard` their strict maximum; `counts` and
    `kind` still follow the votes. The model is fitted on the primary votes of the given utterances only, so that no
    part of a fold learns from another.

    Args:
        votes: all votes of the corpus.
        labels: the policies.
        utts: the utterances to label; None takes all that have votes.

    Raises:
        ConfigError: a class has a label that the corpus lacks.
    """
    check_classes(labels, votes.labels)
    names = votes.utts if utts is None else sorted(set(utts), key=lambda k: k.encode("utf-8"))
    ballots = _count_ballots(votes, labels, names)
    tally = _tally(ballots, labels, len(names))
    reasons = np.full(len(names), "", dtype=object)
    for reason, applies in _reasons(labels, tally):
        reasons[applies & (reasons == "")] = reason
    kept = reasons == ""
    hard, kind = _hard_labels(tally, labels)[kept], _kinds(tally, labels)[kept]
    counts = tally.inside[kept]  # (N, C)
    soft = counts / counts.sum(axis=1, keepdims=True)
    if labels.aggregate != "votes":
        soft = _fit_rater_model(votes, ballots, labels, kept, tally.classes)
        hard = np.where((soft >= soft.max(axis=1, keepdims=True)).sum(axis=1) == 1, soft.argmax(axis=1), -1)
    left_out = {names[i]: str(reasons[i]) for i in np.flatnonzero(~kept)}
    return LabelView(tally.classes, [names[i] for i in np.flatnonzero(kept)], counts, soft, hard, kind, left_out)


def view_unlabelled(labels: LabelPolicy, utts: Iterable[str]) -> LabelView:
    """Returns a view of utterances whose votes are withheld: uniform soft labels, no hard label, no votes.

    For prediction only: nothing may be trained or scored on it.
    """
    names = sorted(set(utts), key=lambda k: k.encode("utf-8"))
    classes = (*labels.classes, *(["other"] if labels.other_votes == "extra_class" else []))
    shape = (len(names), len(classes))
    none = np.full(len(names), -1, np.int64)
    kind = np.full(len(names), NEITHER, np.int8)
    return LabelView(classes, names, np.zeros(shape), np.full(shape, 1 / len(classes)), none, kind, left_out={})


def smooth_labels(soft: np.ndarray, e: float) -> np.ndarray:
    """Returns (1 - e) y + (1 - y) e / (C - 1) for soft labels (N, C); rows still sum to 1 (EMO-SUPERB's smoothing)."""
    return (1 - e) * soft + (1 - soft) * e / (soft.shape[1] - 1)


@dataclass(frozen=True)
class _Ballots:
    """The counted votes as (E,) columns: row of the utterance, rater with source, primary or not, label.

    vocabulary: the names of the labels.
    """

    row: np.ndarray
    voter: np.ndarray
    primary: np.ndarray
    label: np.ndarray
    vocabulary: tuple[str, ...]


@dataclass(frozen=True)
class _Tally:
    """The counted vote mass of N utterances.

    inside: (N, C) mass per class. total: (N,) mass of all options. best: (N,) mass of the strongest option.
    tied: (N, options) whether an option has that mass; the classes come first. winner: (N,) the only such option,
    else -1. raters: (N,) number of outside raters.
    """

    classes: tuple[str, ...]
    inside: np.ndarray
    total: np.ndarray
    best: np.ndarray
    tied: np.ndarray
    winner: np.ndarray
    raters: np.ndarray


def _tally(ballots: _Ballots, labels: LabelPolicy, n: int) -> _Tally:
    """Sums the ballots of n utterances."""
    classes, inside, options = _merge(_label_mass(ballots, labels, n, secondary=False), labels, ballots.vocabulary)
    if labels.secondary_weight > 0:
        _, inside, _ = _merge(_label_mass(ballots, labels, n, secondary=True), labels, ballots.vocabulary)
    best = options.max(axis=1)
    tied = options >= best[:, None] - _EPSILON
    winner = np.where(tied.sum(axis=1) == 1, tied.argmax(axis=1), -1)
    return _Tally(classes, inside, options.sum(axis=1), best, tied, winner, _count_raters(ballots, n, labels))


def _count_raters(ballots: _Ballots, n: int, labels: LabelPolicy) -> np.ndarray:
    """Returns the (n,) numbers of outside raters; zeros if no policy asks for them."""
    if labels.least_raters == 0:
        return np.zeros(n, np.int64)
    outside = ballots.voter % len(SOURCES) == SOURCES.index("outside")
    width = int(ballots.voter.max(initial=0)) + 1
    pairs = distinct(ballots.row[outside] * width + ballots.voter[outside])  # (raters of all utterances,)
    return np.bincount(pairs // width, minlength=n)


def _hard_labels(tally: _Tally, labels: LabelPolicy) -> np.ndarray:
    """Returns the (N,) winning class, or -1; with `ties: first` the first class of a tie."""
    n_classes = len(tally.classes)
    hard = np.where(tally.winner < n_classes, tally.winner, -1)
    if labels.ties == "first":
        class_tied = tally.tied[:, :n_classes]
        hard = np.where((tally.winner < 0) & class_tied.any(axis=1), class_tied.argmax(axis=1), hard)
    return hard.astype(np.int64)


def _kinds(tally: _Tally, labels: LabelPolicy) -> np.ndarray:
    """Returns (N,) PRECISE, AMBIGUOUS or NEITHER."""
    of_class = (tally.winner >= 0) & (tally.winner < len(tally.classes))
    share = {"unanimous": 1.0, "majority": 0.0}[labels.precise] if isinstance(labels.precise, str) else labels.precise
    precise = of_class & (tally.best >= share * tally.total - _EPSILON)
    ambiguous = ~precise if labels.precise == "majority" or labels.ambiguous == "any" else ~precise & of_class
    return np.where(precise, PRECISE, np.where(ambiguous, AMBIGUOUS, NEITHER)).astype(np.int8)


def _count_ballots(votes: VoteTable, labels: LabelPolicy, names: list[str]) -> _Ballots:
    """Selects the votes on the named utterances that the policies count."""
    rows = votes.rows_in(names)[votes.utt]
    counted = rows >= 0
    if not labels.include_self:
        counted &= votes.source == SOURCES.index("outside")
    voter = votes.rater[counted].astype(np.int64) * len(SOURCES) + votes.source[counted]
    primary = votes.slot[counted] == SLOTS.index("primary")
    return _Ballots(rows[counted], voter, primary, votes.label[counted], votes.labels)


def _label_mass(ballots: _Ballots, labels: LabelPolicy, n: int, *, secondary: bool) -> np.ndarray:
    """Returns the (n, labels) mass of the primary votes, or of all votes weighted by `secondary_weight`."""
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
    width = len(ballots.vocabulary)
    return np.bincount(row * width + label, weights=weights, minlength=n * width).reshape(n, width)


def _fit_rater_model(
    votes: VoteTable, ballots: _Ballots, labels: LabelPolicy, kept: np.ndarray, classes: tuple[str, ...]
) -> np.ndarray:
    """Returns the (N, C) posteriors of the model that `aggregate` names for the N kept utterances."""
    class_of = class_numbers(labels, ballots.vocabulary)[ballots.label]
    chosen = ballots.primary & (class_of >= 0) & kept[ballots.row]
    ballot = (np.cumsum(kept) - 1)[ballots.row[chosen]], ballots.voter[chosen], class_of[chosen]
    check_named(labels.aggregate, votes)
    return rater_posteriors(labels.aggregate, *ballot, n_items=int(kept.sum()), n_classes=len(classes))


def _merge_labels(labels: LabelPolicy, vocabulary: tuple[str, ...]) -> tuple[np.ndarray, tuple[str, ...], list[int]]:
    """Returns which label belongs to which class as (labels, C), the class names, and the labels outside."""
    members = {name: [vocabulary.index(label) for label in group] for name, group in labels.classes.items()}
    taken = {i for group in members.values() for i in group}
    outside = [i for i in range(len(vocabulary)) if i not in taken]
    if labels.other_votes == "extra_class":
        members["other"], outside = outside, []
    counts_for = np.zeros((len(vocabulary), len(members)), bool)
    for column, group in enumerate(members.values()):
        counts_for[group, column] = True
    return counts_for, tuple(members), outside


def _merge(
    mass: np.ndarray, labels: LabelPolicy, vocabulary: tuple[str, ...]
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Returns the classes, their mass (N, C), and the mass of all options (N, C + labels outside the classes)."""
    counts_for, classes, outside = _merge_labels(labels, vocabulary)
    inside = np.stack([mass[:, group].sum(axis=1) for group in counts_for.T], axis=1)
    return classes, inside, np.concatenate([inside, mass[:, outside]], axis=1)


def _reasons(labels: LabelPolicy, tally: _Tally) -> list[tuple[str, np.ndarray]]:
    """Returns why utterances are left out, as reason and (N,) mask; the first that applies counts."""
    in_classes = tally.inside.sum(axis=1)
    reasons = [("no counted votes", tally.total < _EPSILON)]
    if labels.least_raters > 0:
        reasons.append((f"fewer than {labels.least_raters} outside raters", tally.raters < labels.least_raters))
    if labels.other_votes == "drop_utterance":
        reasons.append(("a vote outside the classes", tally.total - in_classes > _EPSILON))
    reasons.append(("no vote inside the classes", in_classes < _EPSILON))
    if labels.other_majority == "drop_utterance":
        reasons.append(("majority outside the classes", tally.winner >= len(tally.classes)))
    if labels.no_majority == "drop_utterance":
        reasons.append(("no majority", tally.winner < 0))
    return reasons
