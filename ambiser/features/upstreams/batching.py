"""Makes batches exact: an utterance has the same features in a batch as alone.

Padding changes the features of a speech model in four places: normalization over time (of the waveform and after the
first convolution), convolutions across the end of the audio, attention, and a frame mask that is rounded up. The
waveform is normalized before padding, and the models mask attention themselves; this module patches the other two
places in the loaded model. It changes no weight.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import nn

# In these models every other part works frame by frame or is masked. Other models take one utterance at a time.
KNOWN = (
    "s3prl.upstream.wav2vec2.wav2vec2_model.Wav2Vec2Model",
    "s3prl.upstream.hubert.hubert_model.HubertModel",
    "s3prl.upstream.wavlm.WavLM.WavLM",
    "s3prl.upstream.data2vec.data2vec_model.Data2VecAudioModel",
    "transformers.models.wav2vec2.modeling_wav2vec2.Wav2Vec2Model",
    "transformers.models.hubert.modeling_hubert.HubertModel",
    "transformers.models.wavlm.modeling_wavlm.WavLMModel",
    "transformers.models.data2vec.modeling_data2vec_audio.Data2VecAudioModel",
)


class ExactBatches:
    """Hides padding from a model of convolutions and a transformer.

    Attributes:
        hop: samples from one frame to the next.
    """

    def __init__(self, model: nn.Module) -> None:
        """Patches the model.

        Args:
            model: one of the `KNOWN`, in evaluation mode.
        """
        self._lengths: list[list[int]] = []
        self._convs: list[tuple[int, int]] = []
        self.hop = 1
        for module in model.feature_extractor.modules():
            if isinstance(module, nn.Conv1d):
                self._convs.append((module.kernel_size[0], module.stride[0]))
                self.hop *= module.stride[0]
            elif isinstance(module, nn.GroupNorm):
                module.forward = self._normalize_alone(module.forward, len(self._convs) - 1)
        for module in model.encoder.modules():
            if isinstance(module, nn.Conv1d) and any(module.padding):
                module.register_forward_pre_hook(self._clear_padding)
        if hasattr(model, "forward_padding_mask"):
            model.forward_padding_mask = self._count_exactly(model.forward_padding_mask)

    def frames(self, samples: int) -> int:
        """Returns the number of frames of audio with this many samples."""
        return self._after_each_convolution(samples)[-1]

    @contextlib.contextmanager
    def lengths(self, samples: Sequence[int]) -> Iterator[None]:
        """Sets the lengths (samples) of the utterances in a batch; outside the block the model behaves as published."""
        self._lengths = [self._after_each_convolution(count) for count in samples]
        try:
            yield
        finally:
            self._lengths = []

    def _after_each_convolution(self, samples: int) -> list[int]:
        counts = []
        for kernel, stride in self._convs:
            samples = max((samples - kernel) // stride + 1, 0)
            counts.append(samples)
        return counts

    def _normalize_alone(self, normalize: Callable, convolution: int) -> Callable:
        def forward(states: torch.Tensor) -> torch.Tensor:  # (B, D, T)
            counts = [lengths[convolution] for lengths in self._lengths]
            if set(counts) <= {states.shape[2]}:
                return normalize(states)
            # Statistics over real frames only, one utterance at a time, so that padding has no weight in them.
            normal = torch.zeros_like(states)
            for row, count in enumerate(counts):
                normal[row, :, :count] = normalize(states[row : row + 1, :, :count])[0]
            return normal

        return forward

    def _clear_padding(self, module: nn.Module, arguments: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        (states,) = arguments  # (B, D, T)
        if not self._lengths:
            return arguments
        return (states.masked_fill(self._padding(states.shape[2], states.device)[:, None], 0),)

    def _count_exactly(self, count: Callable) -> Callable:
        """Returns a replacement for the model's own function, which also counts an incomplete last frame."""

        def forward_padding_mask(features: torch.Tensor, padding_mask: torch.Tensor) -> torch.Tensor:  # (B, T, D)
            if not self._lengths:
                return count(features, padding_mask)
            return self._padding(features.shape[1], features.device)

        return forward_padding_mask

    def _padding(self, frames: int, device: torch.device) -> torch.Tensor:
        counts = torch.tensor([lengths[-1] for lengths in self._lengths], device=device)
        return torch.arange(frames, device=device) >= counts[:, None]  # (B, T)


def is_known(model: object) -> bool:
    """Tells whether `ExactBatches` handles all places where padding changes the features of this model."""
    return f"{type(model).__module__}.{type(model).__qualname__}" in KNOWN
