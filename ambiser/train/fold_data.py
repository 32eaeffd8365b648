"""Loads the data of one fold: features (or paths of audio) and labels of training, dev and test utterances."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ambiser.config.data_keys import LabelPolicy
from ambiser.config.feature_keys import TextFeatures
from ambiser.errors import DataError
from ambiser.features.extraction.mapped import MappedPooled, is_mapped
from ambiser.features.extraction.stored import Frames, check_finite, load_frames, load_layers, load_pooled, load_text
from ambiser.features.upstreams.finetune import NO_TOKEN
from ambiser.features.upstreams.text_encoders import tokenize
from ambiser.io.console import ONCE, log
from ambiser.io.layout import Layout, require
from ambiser.io.tables import read_list, read_table
from ambiser.labels.label_view import AMBIGUOUS, LabelView, view_labels, view_unlabelled
from ambiser.labels.ratings import load_ratings
from ambiser.labels.vote_table import read_votes
from ambiser.train.moments import KEPT_FROM_BYTES, statistics_file
from ambiser.train.part import Part, Shapes
from ambiser.train.rater_votes import load_rater_votes
from ambiser.train.waveforms import Change, Waveforms

LEARNED_OR_SCORED = ("train", "dev", "test")
"""The parts of every fold; a release may have others beside them (Test3 of MSP-Podcast, whose votes are withheld)."""


@dataclass(frozen=True)
class PartSources:
    """Where the inputs of an experiment are and in which form; `ambiser.train.build.part_sources` makes it.

    Attributes:
        labels: how votes become labels.
        speech: feats.scp of cached speech features, or None for waveforms.
        speech_form: pooled, frames or frames_all.
        pooled_features: memory, mapped or auto.
        last_layer: whether only the last of the pooled layers is kept.
        cut: what training does to every waveform.
        view: what it does to the waveforms of views.
        text: feats.scp of cached text features, or None for token numbers or without text.
        tokenizer: encoder whose token numbers are read, or None for cached features or without text.
        tokens: feats.scp of the token vectors that the fusion attends to, or None.
        pool: whether the training part has the pool of the fold, utterances without votes, as ambiguous ones.
        raters: whether to load the votes of named raters.
        attributes: whether to load the ratings of attributes.
    """

    labels: LabelPolicy
    speech: Path | None
    speech_form: str
    pooled_features: str
    last_layer: bool
    cut: Change
    view: Change
    text: Path | None
    tokenizer: TextFeatures | None
    tokens: Path | None
    pool: bool = False
    raters: bool = False
    attributes: bool = False


def load_part(sources: PartSources, layout: Layout, fold: int, part: str, device: torch.device) -> tuple[Part, Shapes]:
    """Loads the utterances of a part that have a soft label, or all where a release withholds the votes.

    Raises:
        DataError: a file of an earlier stage is missing, a value is not finite, or no utterance is left.
    """
    view = _view_part(sources.labels, layout, fold, part)
    if sources.pool and part == "train":
        view = _add_pool(view, sources.labels, layout, fold)
    speech, layers, dim = _load_speech(sources, layout, view, device)
    text, text_dim = _load_text(sources, layout, view, device)
    loaded = Part(
        utts=list(view.utts),
        speech=speech,
        text=text,
        soft=torch.from_numpy(view.soft).float().to(device),
        counts=torch.from_numpy(view.counts).float().to(device),
        hard=torch.from_numpy(view.hard).to(device),
        kind=torch.from_numpy(view.kind).to(device),
        tokens=None if sources.tokens is None else load_frames(require(sources.tokens, "extract"), view.utts),
        votes=load_rater_votes(layout, sources.labels, view.utts) if sources.raters else None,
        ratings=load_ratings(require(layout.table("attributes.tsv"), "prepare"), view.utts)
        if sources.attributes
        else None,
        statistics=_statistics(sources, view.utts, speech, device),
    )
    return loaded, Shapes(layers, dim, text_dim, tuple(view.classes))


def _view_part(labels: LabelPolicy, layout: Layout, fold: int, part: str) -> LabelView:
    """Returns the labels of a part, and logs how many utterances have none."""
    require(layout.corpus_record(), "prepare")
    names = read_list(require(layout.fold_list(fold, part), "prepare"))
    votes = read_votes(require(layout.table("votes.tsv"), "prepare"))
    view = view_labels(votes, labels, names)
    if part not in LEARNED_OR_SCORED and not set(names) & set(votes.utts):
        view = view_unlabelled(labels, names)
    if view.left_out:
        reasons = ", ".join(f"{count} {reason}" for reason, count in Counter(view.left_out.values()).most_common())
        share = f"{len(view.left_out)} of {len(names)} utterances"
        counts = f"{share} have no label in these classes ({reasons})"
        log.info(f"fold {fold}, {part}: {counts}", extra=ONCE)  # stage 7 loads a part for each experiment
    if not view.utts:
        raise DataError(f"fold {fold} has no {part} utterance with a vote for {', '.join(view.classes)}")
    return view


def _add_pool(view: LabelView, labels: LabelPolicy, layout: Layout, fold: int) -> LabelView:
    """Adds the pool of a fold to the labels of its training part, as ambiguous utterances without a majority."""
    path = layout.fold_list(fold, "pool")
    if not path.is_file():
        raise DataError(f"{path} is missing; run stage 1 with data.unlabelled=pool, or set ipr.pool=false")
    pool = view_unlabelled(labels, read_list(path))
    log.info(f"fold {fold}: {len(pool.utts)} utterances without votes are added to the training part")
    utts = [*view.utts, *pool.utts]
    order = sorted(range(len(utts)), key=lambda i: utts[i].encode("utf-8"))
    rows = {
        name: np.concatenate([getattr(view, name), getattr(pool, name)])[order] for name in ("counts", "soft", "hard")
    }
    kind = np.concatenate([view.kind, np.full_like(pool.kind, AMBIGUOUS)])[order]
    return replace(view, utts=[utts[i] for i in order], kind=kind, **rows)


def _load_speech(
    sources: PartSources, layout: Layout, view: LabelView, device: torch.device
) -> tuple[Tensor | MappedPooled | Frames | Waveforms, int, int]:
    """Returns the speech of a part, L and D; both are 0 for waveforms."""
    if sources.speech is None:
        paths = read_table(require(layout.table("wav.scp"), "prepare"))
        return Waveforms([Path(paths[utt]) for utt in view.utts], sources.cut, sources.view), 0, 0
    scp = require(sources.speech, "extract")
    if sources.speech_form == "pooled" and is_mapped(sources.pooled_features, scp.parent):
        mapped = MappedPooled(scp, view.utts, last_layer=sources.last_layer)
        return mapped, mapped.shape[1], mapped.shape[2]
    if sources.speech_form == "pooled":
        pooled = load_pooled(scp, view.utts)  # (N, L, D)
        if sources.last_layer:
            pooled = pooled[:, -1:].copy()  # (N, 1, D), without a reference to the other layers
        check_finite(scp, view.utts, pooled)
        return torch.from_numpy(pooled).to(device), pooled.shape[1], pooled.shape[2]
    frames = load_frames(scp, view.utts)  # N matrices (T, L·D)
    layers = load_layers(scp) if sources.speech_form == "frames_all" else 1
    return frames, layers, frames.width // layers


def _load_text(
    sources: PartSources, layout: Layout, view: LabelView, device: torch.device
) -> tuple[Tensor | None, int]:
    """Returns the text of a part, (N, Dt) or token numbers (N, K), and Dt; None and 0 when no head reads text."""
    if sources.tokenizer is not None:
        own = sources.tokenizer.transcripts
        path = Path(own) if own else require(layout.table("text"), "prepare")
        words = read_table(path, allow_empty_value=True)
        rows, dim = tokenize([words.get(utt, "") for utt in view.utts], sources.tokenizer)
        tokens = [torch.tensor(row, dtype=torch.long) for row in rows]
        return torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True, padding_value=NO_TOKEN).to(device), dim
    if sources.text is None:
        return None, 0
    text = load_text(require(sources.text, "extract"), view.utts)
    return torch.from_numpy(text).to(device), text.shape[1]


def _statistics(
    sources: PartSources, utts: Sequence[str], speech: Tensor | MappedPooled | Frames | Waveforms, device: torch.device
) -> Path | None:
    """Returns where the statistics of a part's features are kept, or None for waveforms and small features."""
    if isinstance(speech, Waveforms):
        return None
    size = speech.nbytes if isinstance(speech, Tensor | MappedPooled) else speech.width * 4 * sum(map(len, speech))
    if size < KEPT_FROM_BYTES:
        return None
    # On a GPU, sums in memory round differently from sums over mapped features.
    where = device.type if isinstance(speech, Tensor) else "cpu"
    return statistics_file(sources.speech, utts, sources.speech_form, sources.last_layer, where)
