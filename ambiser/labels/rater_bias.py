"""Describes named raters: how much they vote, how they agree with the others, which classes they prefer."""

from dataclasses import dataclass

import numpy as np

from ambiser.config.data_keys import LabelPolicy
from ambiser.labels.ballots import list_ballots, named_raters
from ambiser.labels.vote_table import VoteTable


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
    ballots = list_ballots(votes, policy)
    shares, utt, rater = ballots.shares, ballots.utt, ballots.rater  # (V, C), (V,), (V,)
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
    named = named_raters(votes)
    order = sorted(np.flatnonzero(count), key=lambda i: (-count[i], votes.raters[i]))
    return [
        RaterBias(votes.raters[i], int(count[i]), float(agreement[i] / count[i]), bias[i] / count[i])
        for i in order
        if named[i]
    ]
