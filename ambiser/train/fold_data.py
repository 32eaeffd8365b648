"""The data of one fold in memory: features (or where the audio is) and labels of training, dev and test utterances."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ambiser.config import Config
from ambiser.errors import DataError
from ambiser.features.extraction.stored import Frames, load_frames, load_layers, load_pooled, load_text
from ambiser.features.upstreams.finetune import NO_TOKEN
from ambiser.features.upstreams.text_encoders import tokenize
from ambiser.io.console import log
from ambiser.io.layout import Layout, require
from ambiser.io.tables import read_list, read_table
from ambiser.labels.label_view import LabelView, view_labels, view_unlabelled
from ambiser.labels.vote_table import read_votes
from ambiser.train.waveforms import WaveBatch, Waveforms, make_waveforms

LEARNED_OR_SCORED = ("train", "dev", "test")
"""The parts of every fold; a release may have others beside them (Test3 of MSP-Podcast, whose votes are withheld)."""


@dataclass(frozen=True)
class Part:
    """The utterances of one part of a fold that have a soft label.

    Attributes:
        utts: N names, sorted.
        speech: (N, L, D) pooled layers, N matrices of frames, (T, D) or all layers beside each other (T, L·D), or N
            waveforms for an encoder that learns.
        text: (N, Dt), (N, K) tokens for an encoder that learns, or None when no head reads text.
        soft: (N, C) votes.
        counts: (N, C) vote mass; soft labels are its shares.
        hard: (N,) majority class, -1 where there is none.
        kind: (N,) 0 precise, 1 ambiguous, 2 neither.
        tokens: N (K, Dt) matrices where the fusion reads tokens, else None.
    """

    utts: list[str]
    speech: Tensor | Frames | Waveforms
    text: Tensor | None
    soft: Tensor
    counts: Tensor
    hard: Tensor
    kind: Tensor
    tokens: Sequence[np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.utts)

    def has_text(self) -> Tensor | None:
        """Returns (N,) false where an utterance has no words (its text features are zeros), or None without text."""
        return None if self.text is None else _has_words(self.text)

    def inputs(
        self, index: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor | WaveBatch, Tensor | None, Tensor | None]:
        """Gathers a batch: speech (B, L, D) or padded frames (B, T, L·D), their mask (B, T) or None, text or None.

        Instead of features, speech is a batch of waveforms where the encoder learns; with a generator, which training
        gives, long ones are cut.
        """
        text = None if self.text is None else self.text[index]
        if isinstance(self.speech, Waveforms):
            whole = generator is None
            return self.speech.whole(index) if whole else self.speech.drawn(index, generator, views=False), None, text
        if isinstance(self.speech, Tensor):
            # Several times as fast as self.speech[index].
            return self.speech.index_select(0, index.to(self.speech.device)), None, text
        return *self._pad(self.speech, index), text

    def padded_tokens(self, index: Tensor) -> tuple[Tensor, Tensor] | None:
        """Gathers tokens (B, K, Dt) and the mask (B, K) of those that are real; None where no fusion reads tokens."""
        if self.tokens is None:
            return None
        tokens, mask = self._pad(self.tokens, index)
        return tokens, mask & _has_words(self.text[index])[:, None]

    def token_statistics(self) -> tuple[Tensor, Tensor]:
        """Returns mean and deviation (Dt,) of the tokens of all utterances that have words."""
        return _moments([self.tokens[i] for i in np.flatnonzero(self.has_text().cpu().numpy())])

    def _pad(self, matrices: Sequence[np.ndarray], index: Tensor) -> tuple[Tensor, Tensor]:
        rows = [torch.from_numpy(np.array(matrices[i])) for i in index.tolist()]
        padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        lengths = torch.tensor([len(f) for f in rows])
        mask = torch.arange(padded.shape[1])[None, :] < lengths[:, None]
        return padded.to(self.soft.device), mask.to(self.soft.device)

    def speech_statistics(self) -> tuple[Tensor, Tensor]:
        """Returns mean and deviation of every feature, (L, D) or (1, L·D) each, over the utterances or their frames."""
        if isinstance(self.speech, Tensor):
            return self.speech.mean(dim=0), self.speech.std(dim=0, unbiased=False)
        mean, deviation = _moments(self.speech)
        if not (mean.isfinite() & deviation.isfinite()).all():
            bad = next(utt for utt, rows in zip(self.utts, self.speech, strict=True) if not np.isfinite(rows).all())
            raise DataError(f"the speech features of {bad} hold values that are not finite; extract them again")
        return mean[None], deviation[None]


@dataclass(frozen=True)
class Shapes:
    """The sizes a network is built with; layers and dim are 0 where the speech encoder learns, which has its own."""

    layers: int
    dim: int
    text_dim: int
    classes: tuple[str, ...]


def load_part(config: Config, layout: Layout, fold: int, part: str, device: torch.device) -> tuple[Part, Shapes]:
    """Loads the utterances of a part that have a soft label; where a release withholds all votes, all.

    Raises:
        DataError: a file of an earlier stage is missing, or no utterance is left.
    """
    require(layout.corpus_record(), "prepare")
    names = read_list(require(layout.fold_list(fold, part), "prepare"))
    votes = read_votes(require(layout.table("votes.tsv"), "prepare"))
    view = view_labels(votes, config.labels, names)
    if part not in LEARNED_OR_SCORED and not set(names) & set(votes.utts):
        view = view_unlabelled(config.labels, names)
    if view.left_out:
        reasons = ", ".join(f"{count} {reason}" for reason, count in Counter(view.left_out.values()).most_common())
        log.info(f"fold {fold}, {part}: {len(view.left_out)} of {len(names)} utterances are left out ({reasons})")
    if not view.utts:
        raise DataError(f"fold {fold} has no {part} utterance with a vote for {', '.join(view.classes)}")
    speech, layers, dim = _load_speech(config, layout, view, device)
    text, text_dim = _load_text(config, layout, view, device) if config.needs_text() else (None, 0)
    loaded = Part(
        utts=list(view.utts),
        speech=speech,
        text=text,
        soft=torch.from_numpy(view.soft).float().to(device),
        counts=torch.from_numpy(view.counts).float().to(device),
        hard=torch.from_numpy(view.hard).to(device),
        kind=torch.from_numpy(view.kind).to(device),
        tokens=load_frames(_text_scp(config, layout), view.utts) if config.reads_tokens() else None,
    )
    return loaded, Shapes(layers, dim, text_dim, tuple(view.classes))


def _load_speech(
    config: Config, layout: Layout, view: LabelView, device: torch.device
) -> tuple[Tensor | Frames | Waveforms, int, int]:
    """Returns the speech of a part, L and D; with an encoder that learns these are 0 until it is built."""
    if config.model.encoder == "finetune":
        paths = read_table(require(layout.table("wav.scp"), "prepare"))
        return make_waveforms(config, [paths[utt] for utt in view.utts]), 0, 0
    features = config.speech_features
    folder = layout.speech_dir(config.ssl, features.form, features.storage, features.prosody)
    scp = require(folder / "feats.scp", "extract")
    if features.form == "pooled":
        pooled = load_pooled(scp, view.utts)  # (N, L, D)
        if not np.isfinite(pooled).all():
            raise DataError(f"{scp}: holds values that are not finite; extract the features again (stage 2)")
        return torch.from_numpy(pooled).to(device), pooled.shape[1], pooled.shape[2]
    frames = load_frames(scp, view.utts)
    layers = load_layers(scp) if config.speech_features.form == "frames_all" else 1
    return frames, layers, frames.width // layers


def _load_text(config: Config, layout: Layout, view: LabelView, device: torch.device) -> tuple[Tensor, int]:
    """Returns the text of a part, and Dt."""
    if config.model.text_encoder == "finetune":
        own = config.text_features.transcripts
        path = Path(own) if own else require(layout.table("text"), "prepare")
        words = read_table(path, allow_empty_value=True)
        rows, dim = tokenize([words.get(utt, "") for utt in view.utts], config.text_features)
        tokens = [torch.tensor(row, dtype=torch.long) for row in rows]
        return torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True, padding_value=NO_TOKEN).to(device), dim
    text = load_text(_text_scp(config, layout), view.utts)
    return torch.from_numpy(text).to(device), text.shape[1]


def _text_scp(config: Config, layout: Layout) -> Path:
    return require(layout.text_dir(config.text, config.text_features.form) / "feats.scp", "extract")


def _has_words(text: Tensor) -> Tensor:
    return text.abs().sum(dim=1) > 0 if text.is_floating_point() else (text != NO_TOKEN).any(dim=1)


def _moments(matrices: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Returns mean and deviation (D,) of all rows of the matrices, which are read one by one and not joined."""
    count = sum(len(rows) for rows in matrices)
    mean = sum(rows.sum(axis=0, dtype=np.float64) for rows in matrices) / count
    square = sum(((rows - mean) ** 2).sum(axis=0) for rows in matrices) / count
    return torch.from_numpy(mean.astype(np.float32)), torch.from_numpy(np.sqrt(square).astype(np.float32))


def pick_device(name: str) -> torch.device:
    """Returns the device for `train.device`; "auto" takes a GPU when there is one.

    Raises:
        DataError: a GPU is asked for and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise DataError("train.device is 'cuda' and torch sees no GPU; use --set train.device=auto")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")
