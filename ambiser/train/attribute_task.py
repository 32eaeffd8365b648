"""Trains valence, arousal and dominance beside the classes: the task of stage distill with `attributes.weight`."""

import torch
from torch import Tensor, nn

from ambiser.config.attribute_keys import Attributes
from ambiser.errors import DataError
from ambiser.labels.ratings import ATTRIBUTES, Ratings
from ambiser.losses.attributes import concordance, spread_likelihood
from ambiser.models.attribute_head import AttributeHead
from ambiser.models.encoder import Architecture
from ambiser.models.fusion import AmberNetwork
from ambiser.train.distill_task import DistillTask
from ambiser.train.part import FoldData, Part

_CHUNK = 512
_LEAST_SPREAD = 0.05  # where all raters agree; the logarithm of 0 would be infinite


def add_attributes(network: AmberNetwork, student: str, architecture: Architecture) -> None:
    """Adds a head of attributes on the input of the student's head."""
    width = next(m for m in network.heads[student].modules() if isinstance(m, nn.Linear)).in_features
    network.attributes = AttributeHead(width, len(ATTRIBUTES), architecture)


def check_ratings(data: FoldData) -> None:
    """Checks that training and dev part have ratings to learn from.

    Raises:
        DataError: an attribute has fewer than two rated utterances.
    """
    for name, part in {"training": data.train, "dev": data.dev}.items():
        rated = dict(zip(ATTRIBUTES, (part.ratings.count > 0).sum(axis=0), strict=True))
        few = [attribute for attribute, count in rated.items() if count < 2]
        if few:
            raise DataError(
                f"fold {data.fold}: fewer than two {name} utterances have ratings of {', '.join(few)}; set "
                "attributes.weight=0, or use a corpus whose attributes.tsv has ratings"
            )


@torch.no_grad()
def predict_attributes(network: AmberNetwork, part: Part, student: str) -> tuple[Tensor, Tensor]:
    """Returns predicted means and deviations, (N, 3) each."""
    network.eval()
    found = []
    for index in torch.arange(len(part)).split(_CHUNK):
        inputs = network.encode(*part.inputs(index), tokens=part.padded_tokens(index))
        found.append(network.attributes(inputs[student]))
    return torch.cat([mean for mean, _ in found]), torch.cat([spread for _, spread in found]).exp()


class AttributeTask(DistillTask):
    """Trains (1 - w) times the objective of AmbER² plus w times the attributes' loss, with w the weight.

    The attributes' loss is the mean over attributes of 1 - CCC between predicted and raters' means in the batch, plus
    the weighted likelihood of the raters' spread.
    """

    def use_ratings(self, settings: Attributes) -> None:
        """Starts the head at mean and spread of the training part; to call before training."""
        self.attributes, ratings, device = settings, self.train.ratings, self.target.device
        self.mean = torch.from_numpy(ratings.mean).float().to(device)  # (N, 3) each
        self.variance = torch.from_numpy(ratings.variance).float().to(device)
        self.count = torch.from_numpy(ratings.count).float().to(device)
        spread = self.variance.nanmean(dim=0).nan_to_num(1.0).sqrt().clamp_min(_LEAST_SPREAD)
        self.network.attributes.start_at(self.mean.nanmean(dim=0), spread.log())

    def loss(self, batch: Tensor, epoch: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """Computes both objectives on a batch."""
        inputs = self.network.encode(*self._inputs(batch, generator))  # (B, width) by head
        heads = {name: head(inputs[name]).log_softmax(dim=1) for name, head in self.network.heads.items()}
        loss, parts = self._amber_loss(heads, batch, epoch)
        mean, log_spread = self.network.attributes(inputs[self.settings.student])  # (B, 3) each
        total, weight = loss.new_zeros(()), self.attributes.weight
        for column in range(len(ATTRIBUTES)):
            rated, spread = self.count[batch, column] > 1e-9, self.count[batch, column] > 1
            if rated.sum() > 1:
                total = total + 1 - concordance(mean[rated, column], self.mean[batch, column][rated])
            if spread.any():
                likelihood = spread_likelihood(
                    self.variance[batch, column][spread], log_spread[spread, column], self.count[batch, column][spread]
                )
                total = total + self.attributes.spread * likelihood
        total = total / len(ATTRIBUTES)
        return (1 - weight) * loss + weight * total, parts | {"attributes": total.item()}

    def after_epoch(self) -> dict[str, object]:
        """Returns the class scores on dev, and the mean CCC of the attributes."""
        predicted = predict_attributes(self.network, self.dev, self.settings.student)[0].cpu()
        return super().after_epoch() | {"dev_ccc": mean_concordance(predicted, self.dev.ratings)}


def mean_concordance(predicted: Tensor, ratings: Ratings) -> float:
    """Returns the mean over attributes of the CCC between predicted (N, 3) and raters' means."""
    values = []
    for column in range(len(ATTRIBUTES)):
        rated = torch.from_numpy(ratings.count[:, column] > 0)
        given = torch.from_numpy(ratings.mean[:, column]).float()
        values.append(concordance(predicted[rated, column], given[rated]).item())
    return sum(values) / len(values)
