"""Describes named raters: how much they vote, how they agree with the others, which classes they prefer."""

from dataclasses import dataclass

import numpy as np

from ambiser.config.data_keys import LabelPolicy
from ambiser.labels.vocabulary import class_numbers
from ambiser.labels.vote_table import ANONYMOUS, SLOTS, SOURCES, VoteTable


@dataclass(frozen=True)
class RaterBias:
    """One rater, on the utterances that others voted on too.

    Attributes:
        rater: the name.
        utterances: how many.
        agreement: mean share of the other raters' votes that are for the rater's class.
        bias: (C,) share of the rater's votes for each class minus the share of the others' votes; sums to 0.
    """

    rater: str
    utterances: int
    agreement: float
    bias: np.ndarray


def rater_biases(votes: VoteTable, policy: LabelPolicy) -> list[RaterBias]:
    """Describes every outside rater with a name, the one with the most utterances first.

    A rater with several labels on an utterance has one vote, divided between them; labels outside the classes do not
    count. Raters that are anonymous, or never voted with others, are left out.

    Args:
        votes: of the corpus.
        policy: its classes.
    """
    shares, utt, rater = _ballots(votes, policy)  # (B, C), (B,), (B,)
    total = np.zeros((len(votes.utts), shares.shape[1]))
    np.add.at(total, utt, shares)
    others = total[utt] - shares
    size = others.sum(axis=1)
    used = size > 0.5  # at least one other rater; sums of fractions are not exact
    shares, others, rater = shares[used], (others / np.maximum(size, 0.5)[:, None])[used], rater[used]
    count = np.bincount(rater, minlength=len(votes.raters))
    agreement = np.bincount(rater, weights=(shares * others).sum(axis=1), minlength=len(votes.raters))
    bias = np.zeros((len(votes.raters), shares.shape[1]))
    np.add.at(bias, rater, shares - others)
    order = sorted(np.flatnonzero(count), key=lambda i: (-count[i], votes.raters[i]))
    return [
        RaterBias(votes.raters[i], int(count[i]), float(agreement[i] / count[i]), bias[i] / count[i])
        for i in order
        if not votes.raters[i].startswith(ANONYMOUS)
    ]


def _ballots(votes: VoteTable, policy: LabelPolicy) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the vote of each rater on each utterance: (B, C) shares, and (B,) utterance and rater."""
    class_of = class_numbers(policy, votes.labels)
    classes = len(policy.classes) + (policy.other_votes == "extra_class")
    label = class_of[votes.label]
    chosen = (votes.source == SOURCES.index("outside")) & (votes.slot == SLOTS.index("primary")) & (label >= 0)
    width = len(votes.raters)
    pairs, row = np.unique(votes.utt[chosen].astype(np.int64) * width + votes.rater[chosen], return_inverse=True)
    shares = np.zeros((len(pairs), classes))
    np.add.at(shares, (row, label[chosen]), 1.0)
    return shares / shares.sum(axis=1, keepdims=True), pairs // width, pairs % width
