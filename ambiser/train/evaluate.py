"""Forward passes over a whole part, and the dev scores that choose an epoch."""

import torch
from torch import Tensor

from ambiser.losses.divergence import js_divergence
from ambiser.losses.evidential import concentrations
from ambiser.models.encoder import IprNetwork
from ambiser.models.fusion import AmberNetwork
from ambiser.train.fold import Part

_CHUNK = 512


@torch.no_grad()
def forward_ipr(network: IprNetwork, part: Part, index: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Returns logits (N, C) and embeddings (N, P) of a part, or of the utterances at an index; without dropout."""
    network.eval()
    chunks = (torch.arange(len(part)) if index is None else index).split(_CHUNK)
    results = [network(*part.inputs(chunk)[:2]) for chunk in chunks]
    return torch.cat([logits for logits, _ in results]), torch.cat([embeddings for _, embeddings in results])


@torch.no_grad()
def forward_amber(network: AmberNetwork, part: Part, evidential: bool = False) -> dict[str, Tensor]:
    """Returns probabilities (N, C) by head for a part; without dropout.

    Head T knows nothing of an utterance without words; where head A is there, it answers for T.
    """
    network.eval()
    results = [network(*part.inputs(chunk)) for chunk in torch.arange(len(part)).split(_CHUNK)]
    logits = {head: torch.cat([result[head] for result in results]) for head in results[0]}
    if evidential:
        alphas = {head: concentrations(values) for head, values in logits.items()}
        return {head: alpha / alpha.sum(dim=1, keepdim=True) for head, alpha in alphas.items()}
    probs = {head: values.softmax(dim=1) for head, values in logits.items()}
    if "A" in probs and "T" in probs:
        probs["T"] = torch.where(part.has_text()[:, None], probs["T"], probs["A"])
    return probs


def dev_scores(probs: Tensor, dev: Part) -> dict[str, float | None]:
    """Scores predictions on dev: JSD in nats on all utterances, accuracy and UA on those with a majority.

    UA is the mean over the classes that dev has; both are None when no utterance has a majority.
    """
    known = dev.hard >= 0
    right = (probs.argmax(dim=1) == dev.hard)[known].float()
    recalls = [right[dev.hard[known] == label].mean().item() for label in dev.hard[known].unique()]
    return {
        "dev_accuracy": right.mean().item() if recalls else None,
        "dev_ua": sum(recalls) / len(recalls) if recalls else None,
        "dev_jsd": js_divergence(dev.soft, probs.clamp_min(1e-12).log()).mean().item(),
    }
