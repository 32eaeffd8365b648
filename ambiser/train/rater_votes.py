"""Loads the votes of named raters for the utterances of a part, and checks that raters can be learned from them."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ambiser.config.data_keys import LabelPolicy
from ambiser.errors import DataError
from ambiser.io.console import log
from ambiser.io.layout import Layout, require
from ambiser.labels.ballots import list_ballots, named_raters
from ambiser.labels.vote_table import read_votes


@dataclass(frozen=True)
class RaterVotes:
    """The V votes of named raters on the N utterances of a part, sorted by utterance.

    Attributes:
        names: of the R raters of the corpus.
        start: (N + 1,) first vote of each utterance.
        rater: (V,) index into the names.
        shares: (V, C) the vote, divided where a rater chose several classes.
        anonymous: number of votes of anonymous raters, which are left out.
    """

    names: list[str]
    start: Tensor
    rater: Tensor
    shares: Tensor
    anonymous: int

    def of(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the votes of utterances (B,): (V,) positions in the index, and (V,) numbers of the votes."""
        counts = self.start[index + 1] - self.start[index]  # (B,)
        row = torch.repeat_interleave(counts)  # (V,)
        first = counts.cumsum(dim=0) - counts
        return row, self.start[index][row] + torch.arange(len(row)) - first[row]

    def counts(self) -> Tensor:
        """Returns the (R,) number of votes of each rater."""
        return torch.bincount(self.rater, minlength=len(self.names))


def load_rater_votes(layout: Layout, policy: LabelPolicy, utts: list[str]) -> RaterVotes:
    """Reads the votes on these utterances, which are sorted bytewise as those of the table are."""
    votes = read_votes(require(layout.table("votes.tsv"), "prepare"))
    rows, ballots = votes.rows_in(utts), list_ballots(votes, policy)
    here = rows[ballots.utt] >= 0
    named = named_raters(votes)[ballots.rater]
    kept = ballots.select(here & named)
    sizes = np.bincount(rows[kept.utt], minlength=len(utts))
    return RaterVotes(
        names=votes.raters,
        start=torch.from_numpy(np.concatenate([[0], np.cumsum(sizes)])),
        rater=torch.from_numpy(kept.rater.astype(np.int64)),
        shares=torch.from_numpy(kept.shares).float(),
        anonymous=int((here & ~named).sum()),
    )


def check_raters(train: RaterVotes, test: RaterVotes, *, fold: int) -> None:
    """Warns of votes that cannot teach or test a model of raters.

    Args:
        train: votes of the training part.
        test: votes of the test part.
        fold: number of the fold, for messages.

    Raises:
        DataError: no training vote is by a named rater.
    """
    counts = train.counts()
    if not len(train.rater):
        raise DataError(
            f"fold {fold}: all {train.anonymous} training votes are anonymous, so raters cannot be recognized; set "
            "raters.model=none, which learns from the distribution of the votes"
        )
    if train.anonymous:
        log.warning(f"fold {fold}: {train.anonymous} training votes are anonymous; raters are learned from the others")
    if (train.start.diff() <= 1).all():
        log.warning(
            f"fold {fold}: no training utterance has votes of two named raters, so only features separate a rater's "
            "bias from the utterances rated; raters.model=none needs no raters"
        )
    unknown = (test.counts() > 0) & (counts == 0)
    if unknown.any():
        votes, names = int(test.counts()[unknown].sum()), torch.nonzero(unknown).flatten()
        shown = ", ".join(test.names[i] for i in names[:3]) + (", ..." if len(names) > 3 else "")
        log.warning(
            f"fold {fold}: {len(names)} raters of the test part ({shown}; {votes} votes) have no training vote; the "
            "mean rater predicts their votes"
        )
