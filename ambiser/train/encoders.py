"""Sets up fine-tuned encoders: feature sizes, statistics of their initial features, and learning rates."""

import torch
from torch import Tensor, nn

from ambiser.features.upstreams.finetune import Finetuned
from ambiser.io.console import log
from ambiser.train.part import Part, Shapes
from ambiser.train.processes import Divided

_MEASURED = 512  # utterances, evenly spaced in the part, that the initial mean and deviation are measured on


def feature_sizes(front: Divided | None, shapes: Shapes) -> tuple[int, int]:
    """Returns L and D of the speech features: of the trained encoder, or of cached features."""
    return (shapes.layers, shapes.dim) if front is None else (front.front.layers, front.front.dim)


@torch.no_grad()
def speech_statistics(front: nn.Module | None, part: Part) -> tuple[Tensor, Tensor]:
    """Returns mean and deviation of every speech feature, (L, D) each; with a front, of its present features."""
    if front is None:
        return part.speech_statistics()
    front.eval()
    x, mask = front(part.speech.whole(_evenly(len(part))))
    rows = x if mask is None else x[mask][:, None]  # (n, L, D); of frames the real ones, (n, 1, L·D)
    return rows.mean(dim=0), rows.std(dim=0, unbiased=False)


@torch.no_grad()
def text_rows(front: nn.Module | None, text: Tensor) -> Tensor:
    """Returns text features (n, Dt) to measure; with a front, its present features of some rows."""
    if front is None:
        return text
    front.eval()
    return front.to(text.device)(text[_evenly(len(text))])


def parameter_groups(modules: nn.Module, learning_rate: float) -> list[dict[str, object]]:
    """Returns the trained parameters in groups with their peak learning rates; encoders have their own rates."""
    groups, taken = [], set()
    for encoder in (module for module in modules.modules() if isinstance(module, Finetuned)):
        for rate, parameters in encoder.depth_groups():
            taken |= {id(parameter) for parameter in parameters}
            groups += [{"params": parameters, "lr": rate, "peak": rate}] if parameters else []
    rest = [p for p in modules.parameters() if p.requires_grad and id(p) not in taken]
    return [{"params": rest, "lr": learning_rate, "peak": learning_rate}, *groups]


def log_parameters(modules: nn.Module) -> None:
    """Logs the number of trained and of all parameters when a pre-trained encoder is trained."""
    encoders = [module for module in modules.modules() if isinstance(module, Finetuned)]
    if not any(p.requires_grad for module in encoders for p in module.parameters()):
        return
    trained = sum(p.numel() for p in modules.parameters() if p.requires_grad)
    everything = sum(p.numel() for p in modules.parameters())
    # float32: 4 bytes per weight, and 12 more per trained one for its gradient and the two moments of AdamW.
    gib = (4 * everything + 12 * trained) / 2**30
    log.info(f"trains {trained / 1e6:.1f} of {everything / 1e6:.1f} million parameters; with optimizer {gib:.2f} GiB")


def _evenly(count: int) -> Tensor:
    return torch.linspace(0, count - 1, min(count, _MEASURED)).round().long()
