"""Wraps trained networks as one module from features to probabilities, which can be exported."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ambiser.config import Config
from ambiser.errors import ConfigError
from ambiser.losses.evidential import concentrations
from ambiser.scoring.utterance_scores import PROBABILITY_FLOOR
from ambiser.train.build import build_amber, build_ipr
from ambiser.train.dev_scores import probs_ipr, replaced_without_words
from ambiser.train.gaussian_fit import USED_BY
from ambiser.train.ipr_checkpoint import IprCheckpoint
from ambiser.train.part import Shapes
from ambiser.train.rater_task import count_raters


class Heads(nn.Module):
    """Averages the probabilities of networks with the same inputs."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, speech: Tensor, text: Tensor | None = None) -> Tensor:
        """Maps pooled features (N, L, D), and text (N, Dt) if the networks read it, to probabilities (N, C)."""
        return torch.stack([member(speech, text) for member in self.members]).mean(dim=0)


class Member(nn.Module):
    """One network with its calibration, in evaluation mode.

    Args:
        config: of its experiment.
        tensors: of its checkpoint.
        shapes: sizes of its features, and classes.
        calibration: scale and bias per class of the log-probabilities; None without.

    Raises:
        ConfigError: it has no form that can be exported.
    """

    def __init__(
        self,
        config: Config,
        tensors: dict[str, Tensor],
        shapes: Shapes,
        calibration: tuple[Sequence[float], Sequence[float]] | None,
    ) -> None:
        super().__init__()
        _check(config)
        self._config = config
        if config.stages[-1] == "distill":
            self.network: nn.Module = build_amber(config, shapes, count_raters(tensors))
            self.network.load_state_dict(tensors)
        else:
            checkpoint = IprCheckpoint(tensors)
            self.network = build_ipr(config, shapes)
            self.network.load_state_dict(checkpoint.network())
            self.register_buffer("prototypes", checkpoint.prototypes)
        ones, zeros = [1.0] * len(shapes.classes), [0.0] * len(shapes.classes)
        scale, bias = calibration or (ones, zeros)
        self._is_calibrated = calibration is not None
        self.register_buffer("scale", torch.tensor(scale))
        self.register_buffer("bias", torch.tensor(bias))
        self.eval()

    def forward(self, speech: Tensor, text: Tensor | None) -> Tensor:
        """Maps (N, L, D) and (N, Dt) to (N, C)."""
        probs = self._ipr(speech) if self._config.stages[-1] != "distill" else self._amber(speech, text)
        if not self._is_calibrated:
            return probs
        return (probs.clamp_min(PROBABILITY_FLOOR).log() * self.scale + self.bias).softmax(dim=1)

    def _ipr(self, speech: Tensor) -> Tensor:
        logits, embeddings = self.network(speech)  # (N, C), (N, P)
        return probs_ipr(logits, embeddings, self.prototypes, self._config.ipr)

    def _amber(self, speech: Tensor, text: Tensor | None) -> Tensor:
        settings = self._config.amber
        logits = self.network(speech, None, text)  # (N, C) by head
        student = settings.student
        if settings.evidential:
            alpha = concentrations(logits[student])
            return alpha / alpha.sum(dim=1, keepdim=True)
        probs = logits[student].softmax(dim=1)
        if text is not None and student in replaced_without_words(settings):
            has_text = text.abs().sum(dim=1, keepdim=True) > 0  # (N, 1)
            probs = torch.where(has_text, probs, logits["A"].softmax(dim=1))
        return probs


def _check(config: Config) -> None:
    reason = ""
    if config.learns():
        reason = "has a fine-tuned encoder; only heads on cached features are exported"
    elif config.speech_features.form != "pooled" or config.reads_tokens():
        reason = "reads frames or tokens; only heads on pooled features are exported"
    elif config.amber.mc_dropout and config.stages[-1] == "distill":
        reason = "draws dropout at random (amber.mc_dropout), which ONNX cannot repeat"
    elif config.stages[-1] != "distill" and config.ipr.predict_by in USED_BY:
        reason = "predicts by Gaussian prototypes, which are not exported"
    if reason:
        raise ConfigError(f"--onnx: the model {reason}; leave out --onnx")
