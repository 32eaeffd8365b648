"""Trains AmbER²'s heads with a model of single raters above the student: the task of stage distill with `raters`."""

import torch
from torch import Tensor

from ambiser.config.rater_keys import Raters
from ambiser.losses.divergence import soft_cross_entropy
from ambiser.models.fusion import AmberNetwork
from ambiser.models.raters import RatedHead
from ambiser.train.distill_task import DistillTask


def add_raters(network: AmberNetwork, student: str, settings: Raters, raters: int) -> None:
    """Puts a model of this number of raters above the student's head."""
    network.heads[student] = RatedHead(
        network.heads[student], kind=settings.model, raters=raters, size=settings.size, panel=settings.panel
    )


def count_raters(tensors: dict[str, Tensor]) -> int:
    """Returns the number of raters of a trained network; 0 without a model of raters."""
    return next((len(tensor) for name, tensor in tensors.items() if name.endswith(".table.squares")), 0)


class RaterTask(DistillTask):
    """Trains the student on the mean rater's distribution and on the votes of each rater who voted.

    With s the share: (1 - s) times the objective of AmbER² for the mean rater, plus s times the mean cross-entropy of
    the votes of a batch under their raters' predictions and the pull of these raters toward the mean rater.
    """

    def use_raters(self, settings: Raters) -> None:
        """Counts the training votes of each rater; to call before training."""
        self.raters, self.votes = settings, self.train.votes
        chosen = self.votes.of(self.items)[1]
        self.rated.count_votes(torch.bincount(self.votes.rater[chosen], minlength=len(self.votes.names)).float())

    @property
    def rated(self) -> RatedHead:
        """The student's head."""
        return self.network.heads[self.settings.student]

    def loss(self, batch: Tensor, epoch: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """Computes both objectives on a batch."""
        inputs = self.network.encode(*self._inputs(batch, generator))  # (B, width) by head
        row, vote = self.votes.of(batch)  # (V,) each
        device = self.target.device
        row, rater, shares = row.to(device), self.votes.rater[vote].to(device), self.votes.shares[vote].to(device)
        student, share = self.settings.student, self.raters.share
        mean, single, pull = self.rated.ask(inputs[student], row, rater)  # (B, C), (V, C), (V,)
        heads = {name: head(inputs[name]) for name, head in self.network.heads.items() if name != student}
        heads = {name: values.log_softmax(dim=1) for name, values in heads.items()} | {student: mean}
        loss, parts = self._amber_loss(heads, batch, epoch)
        if not len(vote):
            return loss, parts
        importance = self._importance(batch)
        of_votes = soft_cross_entropy(shares, single)  # (V,)
        weighted = of_votes if importance is None else of_votes * importance[row]
        total = (1 - share) * loss + share * (weighted + self.raters.prior * pull).mean()
        return total, parts | {"votes": of_votes.mean().item()}

    def after_step(self) -> None:
        """Updates the raters of the batch."""
        self.rated.table.update(self.raters.learning_rate)
