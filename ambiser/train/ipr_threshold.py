"""IPR with the threshold likelihood, which learns from the fact that an utterance is ambiguous."""

import math

import torch
from torch import Tensor

from ambiser.errors import DataError
from ambiser.labels.label_view import AMBIGUOUS
from ambiser.losses.class_shares import MeanPrediction, class_share_loss
from ambiser.losses.threshold import log_ambiguous, log_enough_votes
from ambiser.train.ambiguous_weight import limit_weight
from ambiser.train.dev_scores import forward_ipr
from ambiser.train.ipr_checkpoint import MEAN_PREDICTION, IprCheckpoint
from ambiser.train.ipr_refine import RefineTask
from ambiser.train.part import FoldData, Part


class ThresholdTask(RefineTask):
    """Phases 2 and 3 with -log S_y for precise utterances of class y and -log(1 - Σ_c S_c) for ambiguous ones.

    Prototypes, pseudo labels and contrast are those of `RefineTask`. The votes of an ambiguous utterance stay withheld.
    With `ipr.class_shares`, the mean prediction for ambiguous utterances is pulled towards class shares as well.
    """

    votes: int
    needed: int
    class_shares: Tensor | None = None

    def use_votes(self, votes: int, needed: int) -> None:
        """Sets the raters n and the votes K that make an utterance precise, and limits the weight of ambiguous ones.

        n and K come from `votes_and_needed`.
        """
        self.votes, self.needed = votes, needed
        weight, limit = self.settings.ambiguous_weight, self.settings.ambiguous_limit
        self.ambiguous_weight = limit_weight(weight, limit, precise=len(self.precise), ambiguous=len(self.ambiguous))

    def use_class_shares(self, shares: Tensor) -> None:
        """Adds the term of `ipr.class_shares` with the wanted shares (C,)."""
        self.class_shares = shares
        self.modules[MEAN_PREDICTION] = MeanPrediction(self.classes).to(shares.device)

    @torch.no_grad()
    def start_from(self, checkpoint: IprCheckpoint, *, learned: bool) -> None:
        """Loads the checkpoint; after phase 1 the running mean starts as the mean prediction of its network."""
        super().start_from(checkpoint, learned=learned)
        if self.class_shares is not None and learned:
            self.modules.eval()
            logits, _ = forward_ipr(self.network, self.train, self.ambiguous)
            self.modules[MEAN_PREDICTION].mean.copy_(logits.softmax(dim=1).mean(dim=0))

    def classification_loss(self, logits: Tensor, target: Tensor, precise: int) -> Tensor:
        """Returns the mean loss of a batch as `RefineTask` does, plus the weighted term of `ipr.class_shares`."""
        loss = super().classification_loss(logits, target, precise)
        if self.class_shares is None:
            return loss
        settings, running = self.settings, self.modules[MEAN_PREDICTION]
        probs = logits[precise:].softmax(dim=1)  # (B_a, C)
        term, moved = class_share_loss(probs, self.class_shares, running.mean, settings.class_shares_momentum)
        running.mean.copy_(moved)
        return loss + settings.class_shares_weight * term

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


def wanted_shares(data: FoldData, source: str, precise_labels: Tensor) -> Tensor | None:
    """Returns the class shares (C,) that `ipr.class_shares` names; None for none.

    Args:
        data: the fold; of dev, the votes for ambiguous utterances are read.
        source: none, dev or precise.
        precise_labels: (P,) classes of the precise training utterances.

    Raises:
        DataError: dev has no ambiguous utterance.
    """
    if source == "none":
        return None
    if source == "precise":
        return torch.bincount(precise_labels, minlength=data.train.soft.shape[1]) / len(precise_labels)
    ambiguous = data.dev.kind == AMBIGUOUS  # (N_dev,)
    if not ambiguous.any():
        raise DataError(
            f"fold {data.fold}: no ambiguous dev utterance; set ipr.class_shares=precise or ipr.class_shares=none"
        )
    return data.dev.soft[ambiguous].mean(dim=0)
