"""The encoder of Whisper and its log-mel spectrogram, without transformers, whose import takes 4 s of CPU.

The operations, their order and the names of the weights are those of transformers, so that features are equal bit by
bit and checkpoints fit. Source: Radford et al. 2022, Robust Speech Recognition via Large-Scale Weak Supervision, 2.2.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ambiser.errors import ConfigError
from ambiser.io.audio import SAMPLE_RATE_HZ
from ambiser.io.files import parse_json, read_file

_HIGHEST_HZ = 8000.0
_FLOOR = 1e-10
_RANGE = 8.0  # of log10, below the loudest value of the window
_PREFIXES = ("model.encoder.", "encoder.")  # of the names of weights, with and without a head


class LogMel:
    """Computes the log-mel spectrogram of Whisper, scaled to about [-1, 1].

    Attributes:
        hop_length: samples from one frame to the next.
        n_samples: samples of the longest window.
    """

    def __init__(self, *, mels: int, n_fft: int, hop_length: int, n_samples: int) -> None:
        self.hop_length, self.n_samples, self._n_fft = hop_length, n_samples, n_fft
        self._filters = torch.from_numpy(mel_filters(n_fft // 2 + 1, mels)).float()  # (F, M)

    def __call__(self, wavs: Sequence[np.ndarray], samples: int) -> Tensor:
        """Returns the spectrograms (B, M, samples // hop_length) of B waveforms, padded with silence to `samples`."""
        padded = torch.from_numpy(np.stack([np.pad(wav, (0, samples - len(wav))) for wav in wavs]))  # (B, samples)
        window = torch.hann_window(self._n_fft)
        spectrum = torch.stft(padded, self._n_fft, self.hop_length, window=window, return_complex=True)
        power = spectrum[..., :-1].abs() ** 2  # (B, F, frames)
        with torch.autocast("cpu", enabled=False):  # bfloat16 has too few digits for the range of the power
            mel = torch.clamp(self._filters.T @ power, min=_FLOOR).log10()  # (B, M, frames)
        loudest = mel.max(dim=2, keepdim=True)[0].max(dim=1, keepdim=True)[0]
        return (torch.maximum(mel, loudest - _RANGE) + 4.0) / 4.0


class WhisperEncoder(nn.Module):
    """Two convolutions, sinusoids as positions, and layers of attention; takes at most as many frames as positions.

    Args:
        sizes: `d_model`, `encoder_layers`, `encoder_attention_heads`, `encoder_ffn_dim`, `num_mel_bins`,
            `max_source_positions` and `activation_function`, as in the configuration of transformers.

    Raises:
        ConfigError: the activation is not the GELU of Whisper.
    """

    def __init__(self, sizes: object) -> None:
        super().__init__()
        if sizes.activation_function != "gelu":
            raise ConfigError(f"a Whisper with activation {sizes.activation_function} is not supported; use gelu")
        dim = sizes.d_model
        self.conv1 = nn.Conv1d(sizes.num_mel_bins, dim, kernel_size=3, padding=1)
        self.conv2 = nn.Conv1d(dim, dim, kernel_size=3, stride=2, padding=1)
        positions = torch.empty(sizes.max_source_positions, dim)  # random ones would import the compiler of torch
        self.embed_positions = nn.Embedding(sizes.max_source_positions, dim, _weight=positions)
        self.layers = nn.ModuleList(
            _Layer(dim, sizes.encoder_attention_heads, sizes.encoder_ffn_dim) for _ in range(sizes.encoder_layers)
        )
        self.layer_norm = nn.LayerNorm(dim)

    def forward(self, mel: Tensor) -> tuple[Tensor, ...]:
        """Returns the input of each layer and the normalized output of the last, each (B, T, D), for mel (B, M, 2T)."""
        x = functional.gelu(self.conv1(mel))
        x = functional.gelu(self.conv2(x)).permute(0, 2, 1)  # (B, T, D)
        states = [x + self.embed_positions.weight[: x.shape[1]]]
        for layer in self.layers:
            states.append(layer(states[-1]))
        return (*states[:-1], self.layer_norm(states[-1]))


class _Layer(nn.Module):
    """Self-attention and two linear layers, each with normalization before it and a residual connection."""

    def __init__(self, dim: int, heads: int, wide: int) -> None:
        super().__init__()
        self.self_attn = _Attention(dim, heads)
        self.self_attn_layer_norm = nn.LayerNorm(dim)
        self.fc1, self.fc2 = nn.Linear(dim, wide), nn.Linear(wide, dim)
        self.final_layer_norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:  # (B, T, D)
        x = x + self.self_attn(self.self_attn_layer_norm(x))
        return x + self.fc2(functional.gelu(self.fc1(self.final_layer_norm(x))))


class _Attention(nn.Module):
    """Attention over all frames; keys have no bias."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self._heads, self._scale = heads, (dim // heads) ** -0.5
        self.k_proj, self.v_proj = nn.Linear(dim, dim, bias=False), nn.Linear(dim, dim)
        self.q_proj, self.out_proj = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:  # (B, T, D)
        # Scaled before the product, as in transformers: another order changes the last bits.
        query, key, value = self.q_proj(x) * self._scale, self.k_proj(x), self.v_proj(x)
        split = [
            part.view(len(x), x.shape[1], self._heads, -1).transpose(1, 2).contiguous() for part in (query, key, value)
        ]  # (B, H, T, D/H)
        mixed = functional.scaled_dot_product_attention(*split, scale=1.0)
        return self.out_proj(mixed.transpose(1, 2).reshape(x.shape))


def take_encoder(model: nn.Module, extractor: object) -> tuple[WhisperEncoder, LogMel]:
    """Returns the encoder of a Whisper of transformers, which shares its weights, and the log-mel of its extractor.

    Raises:
        ConfigError: the activation is not the GELU of Whisper.
    """
    encoder = _build(model.config, model.get_encoder().state_dict())
    made = LogMel(
        mels=extractor.feature_size,
        n_fft=extractor.n_fft,
        hop_length=extractor.hop_length,
        n_samples=extractor.n_samples,
    )
    return encoder, made


def read_whisper(folder: Path) -> tuple[WhisperEncoder, LogMel] | None:
    """Reads a Whisper's encoder from a folder of transformers.

    Returns:
        None for any folder but a complete Whisper in one file model.safetensors; transformers knows all other forms,
        and what a folder lacks.
    """
    try:
        sizes = SimpleNamespace(**parse_json(read_file(folder / "config.json")))
        sound = SimpleNamespace(**parse_json(read_file(folder / "preprocessor_config.json")))
        if not (
            (sizes.model_type, sizes.activation_function) == ("whisper", "gelu")
            and sound.feature_extractor_type == "WhisperFeatureExtractor"
            and sound.sampling_rate == SAMPLE_RATE_HZ
            and not getattr(sound, "dither", 0)
        ):
            return None
        encoder = _build(sizes, _read_weights(folder / "model.safetensors"))
        n_samples = sound.chunk_length * SAMPLE_RATE_HZ
        mels, n_fft, hop_length = sound.feature_size, sound.n_fft, sound.hop_length
        return encoder, LogMel(mels=mels, n_fft=n_fft, hop_length=hop_length, n_samples=n_samples)
    except (OSError, ValueError, AttributeError, TypeError, RuntimeError):
        return None


def _build(sizes: object, weights: Mapping[str, Tensor]) -> WhisperEncoder:
    with torch.device("meta"):  # no time for random weights
        encoder = WhisperEncoder(sizes)
    encoder.load_state_dict(weights, assign=True)
    return encoder.requires_grad_(False)


def _read_weights(path: Path) -> dict[str, Tensor]:
    """Returns the weights of the encoder in float32 by name; nothing else is read.

    Raises:
        OSError: there is no file.
        ValueError: it is no file of safetensors.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())  # noqa: SIM118 - no mapping
            prefix = next((one for one in _PREFIXES if f"{one}conv1.weight" in names), None)
            if prefix is None:
                raise ValueError(f"{path}: has no encoder")
            ours = [name for name in names if name.startswith(prefix)]
            return {name.removeprefix(prefix): file.get_tensor(name).to(torch.float32, copy=True) for name in ours}
    except SafetensorError as error:
        raise ValueError(f"{path}: {error}") from error


def mel_filters(bins: int, mels: int) -> np.ndarray:
    """Returns triangular filters (bins, mels) of equal area on Slaney's mel scale: linear to 1 kHz, then logarithmic.

    Source: Slaney 1998, Auditory Toolbox, version 2; Whisper takes it from librosa.
    """
    step = np.log(6.4) / 27.0
    highest = 15.0 + np.log(_HIGHEST_HZ / 1000.0) * (27.0 / np.log(6.4))
    points = np.linspace(0.0, highest, mels + 2)  # in mel
    hertz = 200.0 * points / 3.0
    hertz[points >= 15.0] = 1000.0 * np.exp(step * (points[points >= 15.0] - 15.0))
    slopes = hertz[None, :] - np.linspace(0, SAMPLE_RATE_HZ // 2, bins)[:, None]  # (bins, mels + 2)
    widths = np.diff(hertz)
    filters = np.maximum(np.zeros(1), np.minimum(-slopes[:, :-2] / widths[:-1], slopes[:, 2:] / widths[1:]))
    return filters * (2.0 / (hertz[2:] - hertz[:mels]))[None, :]
