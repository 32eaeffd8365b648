"""Runs the encoder of Whisper over a window as long as the audio needs."""

import contextlib
import math
from collections.abc import Sequence

from torch import Tensor, nn

from ambiser.features.upstreams.whisper_encoder import LogMel, WhisperEncoder
from ambiser.io.audio import SAMPLE_RATE_HZ


class WhisperSpeech(nn.Module):
    """Pads audio with silence to its window, encodes it, and drops the frames of the padding.

    Whisper was trained on windows of 30 s. A shorter one costs less: the log-mel frames are the first ones of the 30 s
    window, and the encoder adds its first positions to them. What differs is that attention sees less silence.

    Attributes:
        windows: the module itself, since padding is the same for a batch and for one utterance (see `Upstream`).
        hop: samples from one frame to the next.
        longest_samples: longest audio that the encoder takes at once.
    """

    def __init__(self, encoder: WhisperEncoder, log_mel: LogMel, window_s: float) -> None:
        """Takes the parts of a Whisper.

        Args:
            encoder: of the Whisper.
            log_mel: its spectrogram.
            window_s: audio is padded to a multiple of this, at most to the 30 s of the model.
        """
        super().__init__()
        self._encoder, self._log_mel = encoder, log_mel
        self.hop = 2 * log_mel.hop_length  # the second convolution halves the rate
        self.longest_samples = log_mel.n_samples
        self._window_samples = window_s * SAMPLE_RATE_HZ

    @property
    def windows(self) -> "WhisperSpeech":
        """What `Upstream` asks for frames."""
        return self

    def frames(self, samples: int) -> int:
        """Returns the frames of the audio alone; the last one may be half full."""
        return math.ceil(samples // self._log_mel.hop_length / 2)

    def padded_frames(self, samples: int) -> int:
        """Returns the frames of the window: the audio and the silence behind it."""
        window = math.ceil(samples / self._window_samples) * self._window_samples
        return min(math.ceil(window / self.hop), self.longest_samples // self.hop)

    def lengths(self, samples: Sequence[int]) -> contextlib.AbstractContextManager:
        """Does nothing: the window of an utterance does not depend on its batch."""
        return contextlib.nullcontext()

    def forward(self, wavs: Sequence[Tensor]) -> dict[str, tuple[Tensor, ...]]:
        """Returns the hidden states of a batch, each (B, T, D); rows are zero behind their last frame.

        Args:
            wavs: B waveforms, (samples,) at 16 kHz.
        """
        groups: dict[int, list[int]] = {}  # utterances by the length of their window
        for row, wav in enumerate(wavs):
            groups.setdefault(self.padded_frames(len(wav)), []).append(row)
        rows: list[list[Tensor]] = [[] for _ in wavs]  # L of (T, D) per utterance
        for padded, members in groups.items():
            states = self.encode([wavs[row] for row in members], padded)
            for place, row in enumerate(members):
                frames = self.frames(len(wavs[row]))
                rows[row] = [state[place, :frames] for state in states]
        layers = zip(*rows, strict=True)
        return {"hidden_states": tuple(nn.utils.rnn.pad_sequence(layer, batch_first=True) for layer in layers)}

    def encode(self, wavs: Sequence[Tensor], frames: int) -> tuple[Tensor, ...]:
        """Returns the hidden states of waveforms with windows of one length, each (B, frames, D)."""
        # One frame more than is kept: the spectrogram mirrors the end of its input, and that must be silence.
        samples = min((frames + 1) * self.hop, self.longest_samples)
        mel = self._log_mel([wav.cpu().numpy() for wav in wavs], samples)
        device = self._encoder.layer_norm.weight.device
        return self._encoder(mel[:, :, : 2 * frames].to(device))  # from (B, mel bins, 2 * frames)
