"""Predicts many recordings: in batches, with bounded memory, and past files that cannot be used."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ambiser.errors import DataError
from ambiser.inference.model import PackedModel
from ambiser.inference.output import Writer
from ambiser.inference.output_rows import OutputRow, Shape
from ambiser.inference.recordings import Cutting, Window, read_windows
from ambiser.inference.sources import Source
from ambiser.inference.speech_detector import SpeechDetector
from ambiser.inference.utterance_prediction import UtterancePrediction
from ambiser.io.console import progress

FindWords = Callable[[Source, Window], str]
_BATCH = 32  # utterances per pass through the networks; more would gain little and hold more frames in memory
_LONG_S = 60.0  # a longer recording as one utterance gets a note


@dataclass
class _File:
    """A recording in work: its rows so far, and whether all of its windows were read."""

    rows: list[OutputRow] = field(default_factory=list)
    is_read: bool = False


@dataclass(frozen=True)
class _Pending:
    """The features of a window that waits for its batch."""

    file: str
    window: tuple[float, float]
    speech: np.ndarray
    words: str | None
    text: np.ndarray | None
    notes: tuple[str, ...]


class _Batches:
    """Collects windows of several recordings, predicts them together, and writes each recording when it is done."""

    def __init__(self, model: PackedModel, writer: Writer, raters: int) -> None:
        self._model, self._writer, self._raters = model, writer, raters
        self._files: dict[str, _File] = {}
        self._pending: list[_Pending] = []
        self._encoded: tuple[str | None, np.ndarray | None] = None, None

    def add(self, name: str, window: Window, words: str | None, notes: tuple[str, ...]) -> None:
        """Adds a window of a recording, with its words for a model that reads text."""
        self._files.setdefault(name, _File())
        speech = self._model.speech_features(window.wav)
        notes = (*self._model.notes(window.wav), *notes)
        if words is not None and words != self._encoded[0]:  # the windows of a recording often share their words
            self._encoded = words, self._model.text_features(words)
        text = None if words is None else self._encoded[1]
        self._pending.append(_Pending(name, (window.start_s, window.end_s), speech, words, text, notes))
        if len(self._pending) >= _BATCH:
            self._predict()

    def finish(self, name: str) -> None:
        """Marks a recording whose last window was added, and writes it if all of its windows are predicted."""
        self._files[name].is_read = True
        self._write()

    def drop(self, name: str) -> None:
        """Forgets a recording with a fault."""
        self._files.pop(name, None)
        self._pending = [one for one in self._pending if one.file != name]

    def flush(self) -> None:
        """Predicts and writes everything that waits."""
        if self._pending:
            self._predict()
        self._write()

    def _predict(self) -> None:
        waiting, self._pending = self._pending, []
        made = self._model.predict_features([one.speech for one in waiting], [one.text for one in waiting])
        for one, prediction in zip(waiting, made, strict=True):
            prediction = replace(prediction, notes=one.notes)
            self._files[one.file].rows.append(OutputRow(one.file, *one.window, prediction, one.words))

    def _write(self) -> None:
        waits = {one.file for one in self._pending}
        for name in [name for name, file in self._files.items() if file.is_read and name not in waits]:
            rows = self._files.pop(name).rows
            self._writer.write(rows, self._shape(rows[0].prediction))

    def _shape(self, one: UtterancePrediction) -> Shape:
        model, pairs, has_prototypes = self._model, tuple(one.head_jsd_bits), bool(one.prototype_similarity)
        about = (self._raters, *self._writer.made_by, bool(one.prediction_set))
        return Shape(model.classes, pairs, has_prototypes, model.uses_text, *about)


def predict_files(
    model: PackedModel,
    sources: Sequence[Source],
    writer: Writer,
    *,
    cutting: Cutting,
    raters: int,
    find_words: FindWords = lambda source, window: "",
    detector: SpeechDetector | None = None,
) -> dict[str, str]:
    """Predicts recordings and writes each one when it is done.

    Args:
        model: the model.
        sources: the recordings; those that the writer kept are skipped.
        writer: of the rows.
        cutting: windows and channel.
        raters: for the chance of no majority.
        find_words: returns the words of a window for a model that reads text; "" without words.
        detector: finds speech where `cutting` takes speech only.

    Returns:
        The fault of each recording that could not be used.

    Raises:
        UserError: the output cannot be written.
        ConfigError: the weights of an encoder cannot be loaded.
    """
    batches, faults = _Batches(model, writer, raters), {}
    for source in progress([source for source in sources if source.name not in writer.done], "predict"):
        try:
            for window in read_windows(source.path, cutting, detector):
                words = find_words(source, window) if model.uses_text else None
                is_long = cutting.window_s <= 0 and not cutting.speech_only and window.end_s > _LONG_S
                notes = (f"one prediction for {window.end_s:.0f} s; --window 5 predicts every 5 s",) if is_long else ()
                batches.add(source.name, window, words, notes)
        except (DataError, OSError) as error:
            batches.drop(source.name)
            faults[source.name] = str(error) if str(source.path) in str(error) else f"{source.path}: {error}"
        else:
            batches.finish(source.name)
    batches.flush()
    return faults
