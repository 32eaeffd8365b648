"""IPR with the threshold likelihood, which learns from the fact that an utterance is ambiguous."""

import math

import torch
from torch import Tensor

from ambiser.errors import DataError
from ambiser.losses.threshold import log_ambiguous, log_enough_votes
from ambiser.train.fold_data import Part
from ambiser.train.ipr_refine import RefineTask


class ThresholdTask(RefineTask):
    """Phases 2 and 3 with -log S_y for precise utterances of class y and -log(1 - Σ_c S_c) for ambiguous ones.

    Prototypes, pseudo labels and contrast are those of `RefineTask`. The votes of an ambiguous utterance stay withheld.
    """

    votes: int
    needed: int

    def use_votes(self, votes: int, needed: int) -> None:
        """Sets the number of raters n and the votes K that make an utterance precise (see `votes_and_needed`)."""
        self.votes, self.needed = votes, needed

    def classification_losses(self, logits: Tensor, target: Tensor, precise: int) -> Tensor:
        """Returns the loss (B,) of every utterance of a batch with logits (B, C); the first ones are precise."""
        log_probs = logits.log_softmax(dim=1)  # (B, C)
        enough = log_enough_votes(log_probs[:precise], self.votes, self.needed)  # (B_p, C)
        known = -(target[:precise] * enough).sum(dim=1)
        return torch.cat([known, -log_ambiguous(log_probs[precise:], self.votes, self.needed)])


def votes_and_needed(train: Part, precise: Tensor, *, votes: int, needed: int, share: str | float) -> tuple[int, int]:
    """Returns the number of raters n, and the votes K for one class that make an utterance precise.

    Args:
        train: training utterances.
        precise: (P,) indices of the precise ones; votes of others are not read.
        votes: `ipr.votes`; 0: the rounded median vote mass of the precise utterances.
        needed: `ipr.votes_needed`; 0: n times the share, rounded up, but more than half of n.
        share: `labels.precise`; unanimous counts as 1, majority as 0.

    Raises:
        DataError: K votes do not make one class win.
    """
    if votes == 0:
        votes = max(1, round(train.counts[precise.to(train.counts.device)].sum(dim=1).median().item()))
    if needed == 0:
        number = {"unanimous": 1.0, "majority": 0.0}.get(share, share)
        needed = max(math.ceil(number * votes - 1e-9), votes // 2 + 1)
    if not votes < 2 * needed <= 2 * votes:
        raise DataError(
            f"ipr.votes_needed={needed} should be more than half of {votes} votes and at most all; change it, or set "
            f"ipr.votes"
        )
    return votes, needed
