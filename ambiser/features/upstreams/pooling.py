"""Reduces the hidden states of an utterance to what is stored."""

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
        Pooled: (L, D) time means or, with mean_std, (L, 2D) means beside population deviations. Frames: the (T, D) of
        one layer, or of the weighted sum of all. All frames: (T, L·D), the first layer first. Sums run in float64, the
        result is float32.

    Raises:
        ConfigError: there is no such layer, or there are not as many layers as weights.
    """
    if speech.form == "frames_all":
        return np.concatenate(hidden, axis=1, dtype=np.float32)
    if speech.layer_weights:
        if len(speech.layer_weights) != len(hidden):
            raise ConfigError(
                f"speech_features.layer_weights: {speech.upstream} has {len(hidden)} layers, got "
                f"{len(speech.layer_weights)} weights"
            )
        weights = np.array(speech.layer_weights) / sum(speech.layer_weights)
        return sum(weight * states.astype(np.float64) for weight, states in zip(weights, hidden, strict=True)).astype(
            np.float32
        )
    if speech.form == "frames":
        if not -len(hidden) <= speech.layer < len(hidden):
            raise ConfigError(
                f"speech_features.layer: must be 0 to {len(hidden) - 1} (or from the end, -1 to {-len(hidden)}) "
                f"for {speech.upstream}, got {speech.layer}"
            )
        return np.ascontiguousarray(hidden[speech.layer], dtype=np.float32)
    rows = []
    for states in hidden:
        states = states.astype(np.float64)
        parts = [states.mean(axis=0)]
        if speech.statistics == "mean_std":
            parts.append(states.std(axis=0))
        rows.append(np.concatenate(parts))
    return np.stack(rows).astype(np.float32)


def pool_on_device(hidden: Sequence[object], speech: SpeechFeatures) -> np.ndarray:
    """Returns what `reduce_hidden_states` gives for pooled features, of tensors and computed where they are."""
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
    """Puts the prosody of an utterance beside every layer, so that any mix of the layers holds it unchanged.

    Args:
        pooled: (L, D) time means, or (L, 2D).
        wav: (samples,) at 16 kHz.

    Returns:
        (L, D + P) float32.
    """
    return np.concatenate([pooled, np.tile(prosody(wav), (len(pooled), 1))], axis=1, dtype=np.float32)


def means_are_constant(matrices: Sequence[np.ndarray], speech: SpeechFeatures, tolerance: float = 1e-4) -> bool:
    """Tells whether the pooled means are the same for all utterances, so that nothing can be learnt from them.

    That is what an upstream gives which normalizes every utterance to mean 0 (s3prl's fbank, mfcc, mel, ...). The
    deviations do not help there: they are 1 but for a factor that only tells the length.

    Args:
        matrices: pooled features of several utterances, of one shape.
        speech: says whether deviations and prosody stand beside the means.
        tolerance: largest difference between two utterances that still counts as none.
    """
    if len(matrices) < 2:
        return False
    stack = np.stack(matrices)
    if speech.prosody:
        stack = stack[..., : -len(NAMES)]
    if speech.statistics == "mean_std":
        stack = stack[..., : stack.shape[-1] // 2]
    return bool((stack.max(axis=0) - stack.min(axis=0)).max() < tolerance)
