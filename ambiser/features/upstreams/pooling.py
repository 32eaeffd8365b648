"""Reduces the hidden states of an utterance to its stored features."""

from collections.abc import Sequence

import numpy as np

from ambiser.config.schema import SpeechFeatures
from ambiser.errors import ConfigError
from ambiser.features.upstreams.prosody import NAMES, prosody


def reduce_hidden_states(hidden: Sequence[np.ndarray], speech: SpeechFeatures) -> np.ndarray:
    """Returns the matrix that is stored for an utterance.

    Args:
        hidden: L arrays of (T, D).
        speech: form, statistics, layer and layer_weights.

    Returns:
        Pooled: (L, D) means over time or, with mean_std, (L, 2D) means and population deviations. Frames: (T, D) of one
        layer, or of the weighted sum of all. All frames: (T, L·D), the first layer first. Sums in float64, result in
        float32.

    Raises:
        ConfigError: there is no such layer, or the number of weights is not L.
    """
    if speech.form == "frames_all":
        return np.concatenate(hidden, axis=1, dtype=np.float32)  # (T, L·D)
    if speech.layer_weights:
        return _weighted_sum(hidden, speech)
    if speech.form == "frames":
        return _one_layer(hidden, speech)
    rows = []
    for states in hidden:
        states = states.astype(np.float64)  # (T, D)
        parts = [states.mean(axis=0)]
        if speech.statistics == "mean_std":
            parts.append(states.std(axis=0))
        rows.append(np.concatenate(parts))  # (D,) or (2D,)
    return np.stack(rows).astype(np.float32)


def _weighted_sum(hidden: Sequence[np.ndarray], speech: SpeechFeatures) -> np.ndarray:
    if len(speech.layer_weights) != len(hidden):
        raise ConfigError(
            f"speech_features.layer_weights: {speech.upstream} has {len(hidden)} layers, got "
            f"{len(speech.layer_weights)} weights"
        )
    weights = np.array(speech.layer_weights) / sum(speech.layer_weights)
    total = sum(weight * states.astype(np.float64) for weight, states in zip(weights, hidden, strict=True))
    return total.astype(np.float32)  # (T, D)


def _one_layer(hidden: Sequence[np.ndarray], speech: SpeechFeatures) -> np.ndarray:
    if not -len(hidden) <= speech.layer < len(hidden):
        raise ConfigError(
            f"speech_features.layer: must be 0 to {len(hidden) - 1} (or from the end, -1 to {-len(hidden)}) "
            f"for {speech.upstream}, got {speech.layer}"
        )
    return np.ascontiguousarray(hidden[speech.layer], dtype=np.float32)  # (T, D)


def pool_on_device(hidden: Sequence[object], speech: SpeechFeatures) -> np.ndarray:
    """Does what `reduce_hidden_states` does for pooled features, with tensors on their device."""
    import torch

    rows = []
    for states in hidden:
        states = states.double()
        parts = [states.mean(dim=0)]
        if speech.statistics == "mean_std":
            parts.append(states.std(dim=0, correction=0))
        rows.append(torch.cat(parts))
    return torch.stack(rows).float().cpu().numpy()


def append_prosody(pooled: np.ndarray, wav: np.ndarray) -> np.ndarray:
    """Appends the prosody of an utterance to every layer, so that any weighted mean of the layers keeps it unchanged.

    Args:
        pooled: (L, D) means over time, or (L, 2D).
        wav: (samples,) at 16 kHz.

    Returns:
        (L, D + P) float32.
    """
    return np.concatenate([pooled, np.tile(prosody(wav), (len(pooled), 1))], axis=1, dtype=np.float32)


def means_are_constant(matrices: Sequence[np.ndarray], speech: SpeechFeatures, tolerance: float = 1e-4) -> bool:
    """Tells whether all utterances have the same pooled means, so that nothing can be learned from them.

    This happens with upstreams that normalize every utterance to mean 0 (s3prl's fbank, mfcc, mel, ...). Deviations do
    not help: they are 1 up to a factor that depends on the length only.

    Args:
        matrices: pooled features of several utterances, of one shape.
        speech: whether the features hold deviations and prosody.
        tolerance: differences below this count as equal.
    """
    if len(matrices) < 2:
        return False
    stack = np.stack(matrices)
    if speech.prosody:
        stack = stack[..., : -len(NAMES)]
    if speech.statistics == "mean_std":
        stack = stack[..., : stack.shape[-1] // 2]
    return bool((stack.max(axis=0) - stack.min(axis=0)).max() < tolerance)
