"""Scores a model of raters on the single votes of a part, and describes what it learned of each rater."""

import torch
from torch import Tensor

from ambiser.config.training_keys import Amber
from ambiser.losses.divergence import soft_cross_entropy
from ambiser.models.fusion import AmberNetwork
from ambiser.train.part import Part

RATER_COLUMNS = ("rater", "train_votes", "votes", "nll_mean_rater", "nll", "accuracy")
"""The columns of raters.tsv before those of the learned biases, bias_CLASS."""
_CHUNK = 256


@torch.no_grad()
def score_raters(network: AmberNetwork, part: Part, settings: Amber, classes: tuple[str, ...]) -> list[dict[str, str]]:
    """Returns the rows of raters.tsv: every rater who voted in the part or sits on the panel.

    nll_mean_rater and nll are mean cross-entropies (nats) of the rater's votes under the predictions for the mean rater
    and for the rater, accuracy is the share of votes for the class most probable for the rater; bias_CLASS is the
    rater's mean probability of the class minus the panel's, over all utterances of the part, for raters on the panel.
    """
    network.eval()
    head, votes = network.heads[settings.student], part.votes
    own, mean = [], []
    bias = torch.zeros(len(head.panel), len(classes), dtype=torch.float64)
    for index in torch.arange(len(part)).split(_CHUNK):
        x = network.encode(*part.inputs(index), tokens=part.padded_tokens(index))[settings.student]
        row, vote = votes.of(index)
        shared, single, _ = head.ask(x, row.to(x.device), votes.rater[vote].to(x.device))  # (B, C), (V, C)
        own.append(single.cpu())
        mean.append(shared.cpu()[row])
        bias += (head.single(x, head.panel).exp() - head(x).softmax(dim=1)[:, None]).sum(dim=0).cpu()  # (K, C)
    return _rows(part, head.votes.cpu(), torch.cat(own), torch.cat(mean), head.panel.cpu(), bias / len(part), classes)


def _rows(
    part: Part,
    trained: Tensor,
    own: Tensor,
    mean: Tensor,
    panel: Tensor,
    bias: Tensor,
    classes: tuple[str, ...],
) -> list[dict[str, str]]:
    """Makes the rows from log-probabilities (V, C) of the votes, and biases (K, C) of the panel."""
    votes, count = part.votes, part.votes.counts()
    right = votes.shares.gather(1, own.argmax(dim=1, keepdim=True))[:, 0]  # (V,)
    values = torch.stack([soft_cross_entropy(votes.shares, mean), soft_cross_entropy(votes.shares, own), right])
    sums = torch.zeros(3, len(count), dtype=torch.float64).index_add_(1, votes.rater, values.double())
    biases = {rater: row for rater, row in zip(panel.tolist(), bias.tolist(), strict=True) if trained[rater] > 0}
    rows = []
    for rater in range(len(count)):
        if not count[rater] and rater not in biases:
            continue
        scores = [f"{v:.6f}" for v in (sums[:, rater] / count[rater]).tolist()] if count[rater] else ["-"] * 3
        learned = [f"{v:+.6f}" for v in biases[rater]] if rater in biases else ["-"] * len(classes)
        numbers = [votes.names[rater], str(int(trained[rater])), str(int(count[rater])), *scores, *learned]
        rows.append(dict(zip((*RATER_COLUMNS, *(f"bias_{name}" for name in classes)), numbers, strict=True)))
    return rows
