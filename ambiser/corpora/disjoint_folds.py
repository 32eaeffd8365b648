"""Makes folds for corpora with few speakers, and folds whose parts share no text."""

from collections.abc import Callable, Sequence

from ambiser.config.data_keys import Data
from ambiser.corpora.corpus import Utterance
from ambiser.corpora.rotation import Fold, Split, dev_step, name_dev, rotate, sort_bytewise
from ambiser.errors import DataError
from ambiser.io.files import digest

_DEV_SHARE = 5
"""One in this many recordings (or utterances) of the training speakers is dev, where dev shares speakers."""


def unseen_test_speaker(utterances: Sequence[Utterance], data: Data) -> Split:
    """Tests one speaker per fold, trains on the others, and takes dev from the training speakers; for two or more.

    Dev is every fifth recording (utterance, if the corpus lists no recordings), in the order of a hash of the names.
    """
    speakers = sort_bytewise({u.speaker for u in utterances})
    if len(speakers) < 2:
        raise DataError(f"data.protocol: unseen_test_speaker needs two speakers; there is only {speakers[0]}")
    folds: dict[int, Fold] = {}
    for number, tested in enumerate(speakers, start=1):
        others = [u for u in utterances if u.speaker != tested]
        key_of = {u.utt: u.recording or u.utt for u in others}
        if len(set(key_of.values())) < _DEV_SHARE:
            key_of = {u.utt: u.utt for u in others}
        dev_keys = set(sorted(set(key_of.values()), key=digest)[::_DEV_SHARE])
        folds[number] = {
            "train": sort_bytewise(utt for utt, key in key_of.items() if key not in dev_keys),
            "dev": sort_bytewise(utt for utt, key in key_of.items() if key in dev_keys),
            "test": sort_bytewise(u.utt for u in utterances if u.speaker == tested),
        }
        if not folds[number]["train"]:
            raise DataError(f"data.protocol: unseen_test_speaker leaves no training part beside speaker {tested}")
    return Split(folds, "a fifth of the training speakers' utterances", shared_dev=True)


def recording_folds(utterances: Sequence[Utterance], data: Data) -> Split:
    """Deals recordings into `data.folds` sets, without regard to speakers; for one speaker."""
    if not all(u.recording for u in utterances):
        raise DataError("data.protocol: recording_folds needs the recording of every utterance (utt2rec or segments)")
    groups = _deal(utterances, lambda u: u.recording, "recordings", data)
    return Split(rotate(groups, step=dev_step(data), what="sets of recordings"), name_dev(data))


def text_folds(utterances: Sequence[Utterance], data: Data) -> Split:
    """Deals texts into `data.folds` sets, without regard to speakers: no sentence is in two parts."""
    _need_texts(utterances, "text_folds")
    groups = _deal(utterances, _text_key, "texts", data)
    return Split(rotate(groups, step=dev_step(data), what="sets of texts"), name_dev(data))


def speaker_text_folds(utterances: Sequence[Utterance], data: Data) -> Split:
    """Deals speakers and texts into `data.folds` sets each: parts share neither speakers nor texts.

    Fold K tests texts K of speakers K; dev is the same with the neighbor of K; the texts that are neither, of the
    speakers that are neither, train. All other utterances of the fold are in no part.
    """
    _need_texts(utterances, "speaker_text_folds")
    speaker_set = _deal(utterances, lambda u: u.speaker, "speakers", data)
    text_set = _deal(utterances, _text_key, "texts", data)
    folds: dict[int, Fold] = {}
    for tested in range(data.folds):
        dev = (tested + dev_step(data)) % data.folds
        place = {tested: "test", dev: "dev"}
        fold: Fold = {"train": [], "dev": [], "test": []}
        for utt in sort_bytewise(speaker_set):
            part = place.get(speaker_set[utt], "train")
            if part == place.get(text_set[utt], "train"):
                fold[part].append(utt)
        empty = [part for part, utts in fold.items() if not utts]
        if empty:
            raise DataError(f"data.protocol: speaker_text_folds leaves the {empty[0]} part of fold {tested + 1} empty")
        folds[tested + 1] = fold
    return Split(folds, name_dev(data))


def _deal(utterances: Sequence[Utterance], key_of: Callable[[Utterance], str], what: str, data: Data) -> dict[str, int]:
    """Returns the set of every utterance; keys are dealt in turn, in the order of a hash of them."""
    keys = sorted({key_of(u) for u in utterances}, key=digest)
    if len(keys) < data.folds:
        raise DataError(f"data.folds: {data.folds} sets need as many {what}; there are {len(keys)}")
    set_of = {key: i % data.folds for i, key in enumerate(keys)}
    return {u.utt: set_of[key_of(u)] for u in utterances}


def _need_texts(utterances: Sequence[Utterance], protocol: str) -> None:
    if not any(u.text for u in utterances):
        raise DataError(f"data.protocol: {protocol} needs the texts, and no utterance has words")


def _text_key(u: Utterance) -> str:
    """Returns the words without case and punctuation; the name of an utterance without words, which shares no text."""
    words = "".join(c if c.isalnum() else " " for c in u.text.casefold()).split()
    return " ".join(words) or f"<{u.utt}>"
