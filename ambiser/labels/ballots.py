"""Lists the vote of each rater on each utterance, as shares of the classes."""

from dataclasses import dataclass

import numpy as np

from ambiser.config.data_keys import LabelPolicy
from ambiser.labels.vocabulary import class_numbers
from ambiser.labels.vote_table import ANONYMOUS, SLOTS, SOURCES, VoteTable


@dataclass(frozen=True)
class Ballots:
    """The primary votes of outside raters for the classes, one per rater and utterance, sorted by utterance.

    Attributes:
        shares: (V, C) the vote, divided between the classes that the rater chose; rows sum to 1.
        utt: (V,) index into the utterances of the vote table.
        rater: (V,) index into its raters.
    """

    shares: np.ndarray
    utt: np.ndarray
    rater: np.ndarray

    def select(self, chosen: np.ndarray) -> "Ballots":
        """Returns the votes at a (V,) mask."""
        return Ballots(self.shares[chosen], self.utt[chosen], self.rater[chosen])


def list_ballots(votes: VoteTable, policy: LabelPolicy) -> Ballots:
    """Lists the votes of a corpus; a label outside the classes does not count."""
    class_of = class_numbers(policy, votes.labels)
    classes = len(policy.classes) + (policy.other_votes == "extra_class")
    label = class_of[votes.label]
    chosen = (votes.source == SOURCES.index("outside")) & (votes.slot == SLOTS.index("primary")) & (label >= 0)
    width = len(votes.raters)
    pairs, row = np.unique(votes.utt[chosen].astype(np.int64) * width + votes.rater[chosen], return_inverse=True)
    shares = np.zeros((len(pairs), classes))
    np.add.at(shares, (row, label[chosen]), 1.0)
    return Ballots(shares / shares.sum(axis=1, keepdims=True), pairs // max(width, 1), pairs % max(width, 1))


def named_raters(votes: VoteTable) -> np.ndarray:
    """Returns (raters,) false for anonymous raters, whose names on two utterances are two people."""
    return np.array([not name.startswith(ANONYMOUS) for name in votes.raters], bool)
