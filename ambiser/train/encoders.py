"""Encoders that learn: how they are built, their learning rates, and the statistics that their features start with."""

import torch
from torch import Tensor, nn

from ambiser.config import Config
from ambiser.features.upstreams.finetune import Finetuned, SpeechFront, TextFront
from ambiser.io.console import log
from ambiser.train.fold_data import Part, Shapes, pick_device
from ambiser.train.processes import Divided

_MEASURED = 512  # utterances, evenly from the whole part, that the first mean and deviation are measured on


def speech_front(config: Config) -> Divided | None:
    """Returns the speech encoder that learns, on its device, or None when it is frozen.

    Raises:
        ConfigError: it cannot be loaded, or has nothing that learns.
    """
    if config.model.encoder == "frozen":
        return None
    device = str(pick_device(config.train.device))
    return Divided(SpeechFront(config.speech_features, config.finetune, device))


def text_front(config: Config) -> Divided | None:
    """Returns the text encoder that learns, or None when it is frozen or no head reads text.

    Raises:
        ConfigError: it cannot be loaded.
    """
    if config.model.text_encoder == "frozen" or not config.needs_text():
        return None
    return Divided(TextFront(config.text_features, config.finetune))


def feature_sizes(front: Divided | None, shapes: Shapes) -> tuple[int, int]:
    """Returns L and D of the speech features: of an encoder that learns, or of those that are cached."""
    return (shapes.layers, shapes.dim) if front is None else (front.front.layers, front.front.dim)


@torch.no_grad()
def speech_statistics(front: nn.Module | None, part: Part) -> tuple[Tensor, Tensor]:
    """Returns mean and deviation of every speech feature, (L, D) each; of an encoder that learns, as it is now."""
    if front is None:
        return part.speech_statistics()
    front.eval()
    x, mask = front(part.speech.whole(_evenly(len(part))))
    rows = x if mask is None else x[mask][:, None]  # (n, L, D)
    return rows.mean(dim=0), rows.std(dim=0, unbiased=False)


@torch.no_grad()
def text_rows(front: nn.Module | None, text: Tensor) -> Tensor:
    """Returns text features (n, Dt) to be measured; of an encoder that learns, as it is now."""
    if front is None:
        return text
    front.eval()
    return front.to(text.device)(text[_evenly(len(text))])


def parameter_groups(modules: nn.Module, learning_rate: float) -> list[dict[str, object]]:
    """Returns the parameters that learn, in groups with their peak learning rates; encoders have rates of their own."""
    groups, taken = [], set()
    for encoder in (module for module in modules.modules() if isinstance(module, Finetuned)):
        for rate, parameters in encoder.depth_groups():
            taken |= {id(parameter) for parameter in parameters}
            groups += [{"params": parameters, "lr": rate, "peak": rate}] if parameters else []
    rest = [p for p in modules.parameters() if p.requires_grad and id(p) not in taken]
    return [{"params": rest, "lr": learning_rate, "peak": learning_rate}, *groups]


def tell_parameters(modules: nn.Module) -> None:
    """Logs how many parameters of an encoder learn and how many are frozen; nothing without such an encoder."""
    learning = [module for module in modules.modules() if isinstance(module, Finetuned)]
    if not any(p.requires_grad for module in learning for p in module.parameters()):
        return
    trained = sum(p.numel() for p in modules.parameters() if p.requires_grad)
    everything = sum(p.numel() for p in modules.parameters())
    # Of each weight that learns: itself, its gradient, and the two moments of AdamW.
    gib = (4 * everything + 12 * trained) / 2**30
    log.info(f"trains {trained / 1e6:.1f} of {everything / 1e6:.1f} million parameters; with optimiser {gib:.2f} GiB")


def _evenly(count: int) -> Tensor:
    return torch.linspace(0, count - 1, min(count, _MEASURED)).round().long()
