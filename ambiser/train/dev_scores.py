"""Runs networks over a whole part, and computes the dev scores that select an epoch."""

import torch
from torch import Tensor, nn

from ambiser.config.ipr_keys import Ipr
from ambiser.config.training_keys import Amber
from ambiser.losses.divergence import entropy, js_divergence
from ambiser.losses.evidential import concentrations
from ambiser.models.encoder import IprNetwork
from ambiser.models.fusion import AmberNetwork
from ambiser.models.prototypes import ambiguous_labels
from ambiser.train.part import Part

_CHUNK = 128  # utterances per forward pass: their features (5 MB of 13 x 768) stay in the cache, which halves the time
_SAMPLED_CHUNK = 512  # with dropout: another size would draw other masks


@torch.no_grad()
def forward_ipr(network: IprNetwork, part: Part, index: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Returns logits (N, C) and embeddings (N, P) of a part, or of the utterances at an index, without dropout."""
    network.eval()
    chunks = (torch.arange(len(part)) if index is None else index).split(_CHUNK)
    results = [network(*part.inputs(chunk)[:2]) for chunk in chunks]
    return torch.cat([logits for logits, _ in results]), torch.cat([embeddings for _, embeddings in results])


def probs_ipr(logits: Tensor, embeddings: Tensor, prototypes: Tensor, settings: Ipr) -> Tensor:
    """Returns class probabilities (N, C) from the classifier or the prototypes (C, P), as `ipr.predict_by` says."""
    if settings.predict_by == "prototypes":
        return ambiguous_labels(embeddings, prototypes, settings.prototype_temperature)
    return logits.softmax(dim=1)


@torch.no_grad()
def forward_amber(network: AmberNetwork, part: Part, settings: Amber) -> dict[str, Tensor]:
    """Returns probabilities (N, C) by head for a part, without dropout.

    For an utterance without words head T has no input, and head AT never saw such input unless modality dropout
    trained it. Where head A exists, its probabilities replace those of T, and of AT without modality dropout.
    """
    network.eval()
    return _forward(network, part, settings, _CHUNK)


@torch.no_grad()
def sample_amber(network: AmberNetwork, part: Part, settings: Amber, seed: int) -> tuple[dict[str, Tensor], ...]:
    """Draws `mc_dropout` predictions with dropout left on, and averages them.

    Returns:
        By head, the mean probabilities (N, C), and the mutual information (N,) in nats of prediction and network:
        the entropy of the mean minus the mean entropy, which is 0 where all draws agree.

    Source: Monte-Carlo dropout, Gal and Ghahramani 2016 (arXiv 1506.02142).
    """
    network.eval()
    # Only dropout: everything else must predict as in evaluation.
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.train()
    torch.manual_seed(seed)
    draws = [_forward(network, part, settings, _SAMPLED_CHUNK) for _ in range(settings.mc_dropout)]
    network.eval()
    stacked = {head: torch.stack([draw[head] for draw in draws]) for head in draws[0]}  # (draws, N, C)
    means = {head: probs.mean(dim=0) for head, probs in stacked.items()}
    # Rounding can make the difference slightly negative.
    information = {h: (entropy(means[h]) - entropy(stacked[h]).mean(dim=0)).clamp_min(0) for h in means}
    return means, information


def _forward(network: AmberNetwork, part: Part, settings: Amber, chunk_size: int) -> dict[str, Tensor]:
    """Returns probabilities (N, C) by head, in the present mode of the network."""
    chunks = torch.arange(len(part)).split(chunk_size)
    results = [network(*part.inputs(chunk), tokens=part.padded_tokens(chunk)) for chunk in chunks]
    logits = {head: torch.cat([result[head] for result in results]) for head in results[0]}  # (N, C)
    if settings.evidential:
        alphas = {head: concentrations(values) for head, values in logits.items()}
        return {head: alpha / alpha.sum(dim=1, keepdim=True) for head, alpha in alphas.items()}  # the Dirichlet's mean
    probs = {head: values.softmax(dim=1) for head, values in logits.items()}
    for head in replaced_without_words(settings):
        probs[head] = torch.where(part.has_text()[:, None], probs[head], probs["A"])
    return probs


def replaced_without_words(settings: Amber) -> tuple[str, ...]:
    """Returns the heads that head A replaces for utterances without words."""
    if "A" not in settings.heads():
        return ()
    return tuple(h for h in settings.heads() if h == "T" or (h == "AT" and settings.modality_dropout == 0))


def dev_scores(probs: Tensor, dev: Part) -> dict[str, float | None]:
    """Scores predictions (N, C) on dev: JSD in nats on all utterances, accuracy and UA on those with a majority.

    UA is the mean over the classes present in dev; both are None when no utterance has a majority.
    """
    known = dev.hard >= 0  # (N,)
    correct = (probs.argmax(dim=1) == dev.hard)[known].float()
    # Classes absent from dev have no recall and are left out of the mean.
    recalls = [correct[dev.hard[known] == label].mean().item() for label in dev.hard[known].unique()]
    return {
        "dev_accuracy": correct.mean().item() if recalls else None,
        "dev_ua": sum(recalls) / len(recalls) if recalls else None,
        "dev_jsd": js_divergence(dev.soft, probs.clamp_min(1e-12).log()).mean().item(),  # log 0 would give NaN
        "dev_calibrated_jsd": calibrated_jsd(probs, dev.soft),
    }


def calibrated_jsd(probs: Tensor, soft: Tensor) -> float:
    """Returns the JSD in nats of predictions (N, C) to votes (N, C) at the best temperature of a grid.

    An epoch chosen by it is not the one that happens to be softest; `score.calibration` then fits the temperature.
    """
    scales = 2 ** (torch.arange(-24, 17, device=probs.device) / 8)  # (S,), 1 / temperature from 1/8 to 4
    logs = probs.clamp_min(1e-12).log()  # (N, C)
    tempered = [js_divergence(soft, (scale * logs).log_softmax(dim=1)).mean() for scale in scales]
    return torch.stack(tempered).min().item()
