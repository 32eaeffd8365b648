"""Wraps pre-trained encoders as trainable front ends: waveforms or tokens in, features out."""

import functools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ambiser.config.schema import Finetune, SpeechFeatures, TextFeatures
from ambiser.errors import ConfigError
from ambiser.features.upstreams.chunks import plan_batches
from ambiser.features.upstreams.forward import untouched_generators
from ambiser.features.upstreams.pooling import reduce_hidden_states
from ambiser.features.upstreams.text_encoders import check_layer, load_text_model
from ambiser.features.upstreams.upstream import load_upstream

NO_TOKEN = -1  # pads rows of tokens
_CONVOLUTIONS = ("feature_extractor", "conv1", "conv2")  # names in wav2vec 2.0 and its relatives, and in Whisper
_SINUSOIDS = "embed_positions"  # of Whisper; computed, not learned


class Finetuned(nn.Module):
    """A pre-trained model that is fine-tuned, with one learning rate per layer.

    Its dropout, layer drop and masking stay off in training too [D], so that a step depends on the utterances alone,
    not on their batch or process.

    Attributes:
        model: the pre-trained model.
        settings: learning rates, frozen parts, precision, checkpointing.
    """

    def __init__(self, model: nn.Module, settings: Finetune, name: str) -> None:
        super().__init__()
        self.model, self.settings = model.requires_grad_(True), settings
        self._blocks = _find_blocks(model)
        for path, module in model.named_modules():
            own_name = path.rpartition(".")[2]
            if own_name in _CONVOLUTIONS:
                module.requires_grad_(not settings.freeze_convolutions)
            elif own_name == _SINUSOIDS:
                module.requires_grad_(False)
            if hasattr(module, "feature_grad_mult"):  # in s3prl; 0 stops gradients to the convolutions
                module.feature_grad_mult = 0.0 if settings.freeze_convolutions else 1.0
        if not any(parameter.requires_grad for parameter in model.parameters()):
            raise ConfigError(
                f"{name} has no weights to train; model.encoder: finetune needs a pre-trained model, such as "
                "--ssl wavlm_base_plus"
            )
        if settings.checkpointing:
            if not self._blocks:
                raise ConfigError(f"finetune.checkpointing: {name} has no layers to recompute")
            for block in self._blocks:
                block.forward = functools.partial(checkpoint, block.forward, use_reentrant=False)

    def train(self, mode: bool = True) -> "Finetuned":
        """Keeps the pre-trained model in evaluation mode."""
        super().train(mode)
        self.model.eval()
        return self

    def depth_groups(self) -> list[tuple[float, list[nn.Parameter]]]:
        """Returns pairs of a learning rate and its parameters, the highest layer first.

        With n layers, the k-th from the top (0..) has rate * decay**k; all parameters outside the layers have
        rate * decay**n.
        """
        groups, taken = [], set()
        rate, decay = self.settings.learning_rate, self.settings.layer_decay
        for block in reversed(self._blocks):
            groups.append((rate, [p for p in block.parameters() if p.requires_grad]))
            taken |= {id(p) for p in groups[-1][1]}
            rate *= decay
        groups.append((rate, [p for p in self.parameters() if p.requires_grad and id(p) not in taken]))
        return groups

    def precision(self) -> torch.autocast:
        """Returns a context in which the model computes at the precision of the settings."""
        device = next(self.model.parameters()).device
        return torch.autocast(device.type, torch.bfloat16, enabled=self.settings.precision == "bfloat16")


class SpeechFront(Finetuned):
    """A speech upstream that turns waveforms into the features that stage 2 would store.

    Attributes:
        layers: L, or 1 with frames of one layer.
        dim: D, or 2D with means and deviations.
    """

    def __init__(self, speech: SpeechFeatures, settings: Finetune, device: str = "cpu") -> None:
        upstream = load_upstream(speech, device)
        super().__init__(upstream.model, settings, speech.upstream)
        self.speech, self._upstream = speech, upstream
        self.layers, self.dim = upstream.layers, upstream.dim
        reduce_hidden_states([np.zeros((1, self.dim), np.float32)] * self.layers, speech)  # checks layer and weights
        if speech.form == "frames":
            self.layers = 1
        elif speech.form == "pooled" and speech.statistics == "mean_std":
            self.dim *= 2

    def forward(self, wavs: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
        """Encodes a batch; padding changes nothing.

        The model takes the utterances in the batches of stage 2 (`speech_features.batch_s`), on a CPU one at a time.

        Args:
            wavs: (samples,) each, float32 at 16 kHz.

        Returns:
            (B, L, D) means over time (with mean_std (B, L, 2D) means and deviations) and None; or (B, T, D) frames of
            one layer, or (B, T, L·D) of all layers, and their (B, T) mask.
        """
        device = next(self.model.parameters()).device
        shortest = self._upstream.minimum_samples
        padded = {
            str(place): nn.functional.pad(wav, (0, max(0, shortest - len(wav)))) for place, wav in enumerate(wavs)
        }
        reduced = {}
        with self.precision():
            groups = plan_batches({name: len(wav) for name, wav in padded.items()}, self._upstream.batch_samples)
            for names in groups:
                states = self._upstream.states([padded[name].to(device) for name in names])
                reduced |= {name: self._reduce(layers) for name, layers in zip(names, states, strict=True)}
        features = [reduced[name] for name in padded]
        if self.speech.form == "pooled":
            return torch.stack(features), None
        lengths = torch.tensor([len(frames) for frames in features], device=device)
        frames = nn.utils.rnn.pad_sequence(features, batch_first=True)
        return frames, torch.arange(frames.shape[1], device=device)[None, :] < lengths[:, None]

    def _reduce(self, states: list[Tensor]) -> Tensor:
        """Does what `reduce_hidden_states` does to L states of (T, D), with gradients."""
        states = [state.float() for state in states]
        if self.speech.form == "frames_all":
            return torch.cat(states, dim=1)
        if self.speech.form == "frames":
            weights = self.speech.layer_weights
            if not weights:
                return states[self.speech.layer]
            return sum(weight / sum(weights) * state for weight, state in zip(weights, states, strict=True))
        stacked = torch.stack(states)  # (L, T, D)
        mean = stacked.mean(dim=1)  # (L, D)
        if self.speech.statistics == "mean":
            return mean
        variance = stacked.var(dim=1, unbiased=False)
        # The square root has no finite gradient at 0, the variance of a single frame.
        return torch.cat([mean, variance.clamp_min(1e-12).sqrt()], dim=1)


class TextFront(Finetuned):
    """A text encoder of Hugging Face that turns tokens into the features that stage 2 would store."""

    def __init__(self, text: TextFeatures, settings: Finetune) -> None:
        tokenizer, model = load_text_model(text.model)
        check_layer(text, model)
        super().__init__(model, settings, text.model)
        self.text, self.padding = text, tokenizer.pad_token_id or 0

    def forward(self, tokens: Tensor) -> Tensor:
        """Encodes (B, K) tokens, padded with NO_TOKEN, to (B, Dt); a row without tokens gives zeros."""
        mask = tokens != NO_TOKEN  # (B, K)
        some = mask.any(dim=1)  # (B,); empty rows would make a mean over nothing
        tokens, mask = tokens[some], mask[some]
        width = int(mask.sum(dim=1).max()) if len(mask) else 0
        features = torch.zeros(len(some), self.model.config.hidden_size, device=tokens.device)
        if width == 0:
            return features
        tokens, mask = tokens[:, :width], mask[:, :width]
        with untouched_generators(), self.precision():
            states = self.model(
                input_ids=tokens.masked_fill(~mask, self.padding), attention_mask=mask.long(), output_hidden_states=True
            ).hidden_states
        hidden = states[self.text.layer].float()  # (B, K, Dt)
        weight = mask[..., None].float()
        pooled = (hidden * weight).sum(dim=1) / weight.sum(dim=1) if self.text.pooling == "mean" else hidden[:, 0]
        return features.index_put((torch.nonzero(some).flatten(),), pooled)


def _find_blocks(model: nn.Module) -> list[nn.Module]:
    """Returns the layers of the transformer, the lowest first, or an empty list."""
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and name.endswith(("encoder.layers", "encoder.layer")):
            return list(module)
    return []
