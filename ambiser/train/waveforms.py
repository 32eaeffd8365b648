"""Waveforms as the input of a training: read when they are needed, cut, and changed for views."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ambiser.config import Config
from ambiser.io.audio import SAMPLE_RATE_HZ, read_audio


@dataclass(frozen=True)
class Change:
    """How a waveform is changed before a network hears it.

    Attributes:
        longest_s: of a longer waveform a span of so many seconds is drawn.
        gain_db: largest change of the loudness, either way.
        noise: deviation of white noise as a share of the waveform's own level.
        time_mask: share of the waveform that is silenced, in one span.
    """

    longest_s: float
    gain_db: float = 0.0
    noise: float = 0.0
    time_mask: float = 0.0

    def __call__(self, wav: Tensor, generator: torch.Generator) -> Tensor:
        """Returns a changed copy of a waveform of (samples,), or the waveform itself when there is nothing to do."""
        longest = round(self.longest_s * SAMPLE_RATE_HZ)
        if len(wav) > longest:
            start = int(torch.randint(len(wav) - longest + 1, (), generator=generator))
            wav = wav[start : start + longest]
        if self.gain_db > 0:
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
    """Some utterances, read one at a time when they are asked for; each has a seed of its own for what is drawn.

    A slice is a batch again, so that a process reads its share alone and hears what one process would hear.
    """

    paths: list[Path]
    seeds: list[int]
    change: Change | None

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, place: int | slice) -> "Tensor | WaveBatch":
        if isinstance(place, slice):
            return WaveBatch(self.paths[place], self.seeds[place], self.change)
        wav = torch.from_numpy(read_audio(self.paths[place]))
        if self.change is None:
            return wav
        return self.change(wav, torch.Generator().manual_seed(self.seeds[place]))

    def __iter__(self) -> Iterator[Tensor]:
        return (self[place] for place in range(len(self)))


@dataclass(frozen=True)
class Waveforms:
    """The audio of all utterances of a part, and how training changes it.

    Attributes:
        paths: N files.
        cut: what training does to every waveform.
        view: what it does where two views are contrasted.
    """

    paths: list[Path]
    cut: Change
    view: Change

    def __len__(self) -> int:
        return len(self.paths)

    def whole(self, index: Tensor) -> WaveBatch:
        """Returns utterances as they are."""
        return self._batch(index, [0] * len(index), None)

    def drawn(self, index: Tensor, generator: torch.Generator, *, views: bool) -> WaveBatch:
        """Returns utterances with spans, and with `views` all other changes, drawn anew."""
        seeds = torch.randint(2**62, (len(index),), generator=generator).tolist()
        return self._batch(index, seeds, self.view if views else self.cut)

    def _batch(self, index: Tensor, seeds: list[int], change: Change | None) -> WaveBatch:
        return WaveBatch([self.paths[i] for i in index.tolist()], seeds, change)


def make_waveforms(config: Config, paths: Sequence[str]) -> Waveforms:
    """Returns the waveforms of files, with the changes that a configuration names."""
    longest_s = config.finetune.longest_s
    view = Change(longest_s, config.finetune.gain_db, config.ipr.noise, config.ipr.time_mask)
    return Waveforms([Path(path) for path in paths], Change(longest_s), view)
