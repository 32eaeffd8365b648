"""Reads waveforms as training input: on demand, cropped, and augmented for views."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ambiser.io.audio import SAMPLE_RATE_HZ, read_audio


@dataclass(frozen=True)
class Change:
    """How a waveform is augmented before a network encodes it.

    Attributes:
        longest_s: a longer waveform is cropped to this length at a random place.
        gain_db: largest gain or attenuation.
        noise: deviation of white noise relative to the level (RMS) of the waveform.
        time_mask: share of the waveform that is silenced, in one span.
    """

    longest_s: float
    gain_db: float = 0.0
    noise: float = 0.0
    time_mask: float = 0.0

    def __call__(self, wav: Tensor, generator: torch.Generator) -> Tensor:
        """Returns a changed copy of a waveform of (samples,), or the waveform itself when nothing applies."""
        longest = round(self.longest_s * SAMPLE_RATE_HZ)
        if len(wav) > longest:
            start = int(torch.randint(len(wav) - longest + 1, (), generator=generator))
            wav = wav[start : start + longest]
        if self.gain_db > 0:
            # Uniform in decibels, between -gain_db and +gain_db.
            gain_db = self.gain_db * (2 * torch.rand((), generator=generator) - 1)
            wav = wav * 10 ** (gain_db / 20)
        if self.noise > 0:
            wav = wav + self.noise * wav.square().mean().sqrt() * torch.randn(len(wav), generator=generator)
        span = int(self.time_mask * len(wav))
        if span:
            start = int(torch.randint(len(wav) - span + 1, (), generator=generator))
            wav = torch.cat([wav[:start], torch.zeros(span), wav[start + span :]])
        return wav


@dataclass(frozen=True)
class WaveBatch(Sequence):
    """A batch of utterances, read on access if they are files; each has its own seed for random augmentation.

    A slice is a batch again, so that each process reads only its share and gets the same waveforms as a single process.
    """

    sources: Sequence[Path | Tensor]
    seeds: list[int]
    change: Change | None

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, place: int | slice) -> "Tensor | WaveBatch":
        if isinstance(place, slice):
            return WaveBatch(self.sources[place], self.seeds[place], self.change)
        source = self.sources[place]
        wav = source if isinstance(source, Tensor) else torch.from_numpy(read_audio(source))
        if self.change is None:
            return wav
        return self.change(wav, torch.Generator().manual_seed(self.seeds[place]))

    def __iter__(self) -> Iterator[Tensor]:
        return (self[place] for place in range(len(self)))


@dataclass(frozen=True)
class Waveforms:
    """The audio of all utterances of a part, and how training augments it.

    Attributes:
        sources: N files, or N waveforms (samples,) at 16 kHz.
        cut: change of every training waveform.
        view: change where two views are contrasted.
    """

    sources: Sequence[Path | Tensor]
    cut: Change
    view: Change

    def __len__(self) -> int:
        return len(self.sources)

    def whole(self, index: Tensor) -> WaveBatch:
        """Returns unchanged utterances."""
        return self._batch(index, [0] * len(index), None)

    def drawn(self, index: Tensor, generator: torch.Generator, *, views: bool) -> WaveBatch:
        """Returns utterances with new random crops or, with `views`, new views."""
        # Seeds are drawn for the whole batch, so that they do not depend on the number of processes.
        seeds = torch.randint(2**62, (len(index),), generator=generator).tolist()
        return self._batch(index, seeds, self.view if views else self.cut)

    def _batch(self, index: Tensor, seeds: list[int], change: Change | None) -> WaveBatch:
        return WaveBatch([self.sources[i] for i in index.tolist()], seeds, change)
