"""Holds the data of one fold: features, or waveforms, and labels of training and dev utterances."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ambiser.features.extraction.mapped import MappedPooled
from ambiser.features.extraction.stored import Frames
from ambiser.features.upstreams.finetune import NO_TOKEN
from ambiser.labels.ratings import Ratings
from ambiser.train.moments import frame_moments, kept, pooled_moments
from ambiser.train.rater_votes import RaterVotes
from ambiser.train.waveforms import WaveBatch, Waveforms


@dataclass(frozen=True)
class Part:
    """The utterances of one part of a fold that have a soft label.

    Attributes:
        utts: N names, sorted.
        speech: (N, L, D) pooled layers, in memory or mapped; N matrices of frames, (T, D) of one layer or (T, L·D) of
            all; or N waveforms for a trained encoder.
        text: (N, Dt); (N, K) token numbers for a trained encoder; or None when no head reads text.
        soft: (N, C) votes.
        counts: (N, C) vote mass; soft labels are its shares.
        hard: (N,) majority class, -1 where there is none.
        kind: (N,) 0 precise, 1 ambiguous, 2 neither.
        tokens: N (K, Dt) matrices where the fusion reads tokens, else None.
        votes: of named raters, where raters are modeled, else None.
        ratings: of attributes, where they are learned, else None.
        statistics: where mean and deviation of the speech features are kept; None: nowhere.
    """

    utts: list[str]
    speech: Tensor | MappedPooled | Frames | Waveforms
    text: Tensor | None
    soft: Tensor
    counts: Tensor
    hard: Tensor
    kind: Tensor
    tokens: Sequence[np.ndarray] | None = None
    votes: RaterVotes | None = None
    ratings: Ratings | None = None
    statistics: Path | None = None

    def __len__(self) -> int:
        return len(self.utts)

    def has_text(self) -> Tensor | None:
        """Returns (N,) false where an utterance has no words (its text features are 0), or None without text."""
        return None if self.text is None else _has_words(self.text)

    def inputs(
        self, index: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor | WaveBatch, Tensor | None, Tensor | None]:
        """Gathers a batch: speech (B, L, D) or padded frames (B, T, L·D), their mask (B, T) or None, text or None.

        For a trained encoder, speech is a batch of waveforms. With a generator (in training) long ones are cropped.
        """
        text = None if self.text is None else self.text[index]
        if isinstance(self.speech, Waveforms):
            whole = generator is None
            return self.speech.whole(index) if whole else self.speech.drawn(index, generator, views=False), None, text
        if isinstance(self.speech, Tensor):
            # index_select is several times as fast as self.speech[index].
            return self.speech.index_select(0, index.to(self.speech.device)), None, text
        if isinstance(self.speech, MappedPooled):
            return torch.from_numpy(self.speech.gather(index.tolist())).to(self.soft.device), None, text
        return *self._pad(self.speech, index), text

    def padded_tokens(self, index: Tensor) -> tuple[Tensor, Tensor] | None:
        """Gathers tokens (B, K, Dt) and the mask (B, K) of real ones; None where no fusion reads tokens."""
        if self.tokens is None:
            return None
        tokens, mask = self._pad(self.tokens, index)
        # An utterance without words has one token of zeros, which must not be attended to.
        return tokens, mask & _has_words(self.text[index])[:, None]

    def token_statistics(self) -> tuple[Tensor, Tensor]:
        """Returns mean and deviation (Dt,) of the tokens of all utterances that have words."""
        return frame_moments([self.tokens[i] for i in np.flatnonzero(self.has_text().cpu().numpy())])

    def _pad(self, matrices: Sequence[np.ndarray], index: Tensor) -> tuple[Tensor, Tensor]:
        rows = [torch.from_numpy(np.array(matrices[i])) for i in index.tolist()]
        padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)  # (B, T, D)
        lengths = torch.tensor([len(f) for f in rows])
        mask = torch.arange(padded.shape[1])[None, :] < lengths[:, None]  # (B, T)
        return padded.to(self.soft.device), mask.to(self.soft.device)

    def speech_statistics(self) -> tuple[Tensor, Tensor]:
        """Returns mean and deviation of every feature, (L, D) or (1, L·D) each, over the utterances or their frames."""
        mean, deviation = kept(self.statistics, self._measure_speech)
        return mean.to(self.soft.device), deviation.to(self.soft.device)

    def _measure_speech(self) -> tuple[Tensor, Tensor]:
        if isinstance(self.speech, Tensor):  # (N, L, D)
            return self.speech.mean(dim=0), self.speech.std(dim=0, unbiased=False)
        if isinstance(self.speech, MappedPooled):
            return pooled_moments(len(self), self.speech.chunks())
        mean, deviation = frame_moments(self.speech)
        return mean[None], deviation[None]


@dataclass(frozen=True)
class Shapes:
    """The sizes that a network is built with; layers and dim are 0 with a trained speech encoder, which has its own."""

    layers: int
    dim: int
    text_dim: int
    classes: tuple[str, ...]


@dataclass(frozen=True)
class FoldData:
    """The parts that a training uses, and their shapes.

    Attributes:
        fold: number of the fold, 1..
        train: training utterances.
        dev: utterances that choose the epoch.
        shapes: sizes of the features, and the classes.
    """

    fold: int
    train: Part
    dev: Part
    shapes: Shapes


def _has_words(text: Tensor) -> Tensor:
    return text.abs().sum(dim=1) > 0 if text.is_floating_point() else (text != NO_TOKEN).any(dim=1)
