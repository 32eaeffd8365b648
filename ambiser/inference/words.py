"""Finds the words of a recording for models that read text: in a table, or by a recognizer."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ambiser.errors import ConfigError
from ambiser.inference.model import PackedModel
from ambiser.inference.recordings import Window
from ambiser.inference.sources import Source, find_text, read_texts
from ambiser.io.audio import SAMPLE_RATE_HZ

_WINDOW_S = 10.0  # a shorter window is faster, but then the decoder repeats itself
_MOST_SAMPLES = 120 * SAMPLE_RATE_HZ  # per call of the recognizer, so that a long recording needs little memory


@dataclass(frozen=True)
class Words:
    """Where words come from.

    Attributes:
        find: returns the words of a window; "" without words.
        name: of the recognizer, with a digest of its weights; empty for a table.
    """

    find: Callable[[Source, Window], str]
    name: str = ""


def choose_words(
    model: PackedModel, *, words: str | None, table: Path | None, recognizer: str | None, language: str
) -> Words:
    """Returns the source of words that the options name.

    Args:
        model: that reads the words.
        words: of all recordings.
        table: a TSV table with the columns file and text, or a Kaldi table.
        recognizer: folder of a Whisper, or its name on the hub of Hugging Face.
        language: spoken language, for a multilingual recognizer.

    Raises:
        ConfigError: the model needs words and there are none, it reads none, or the recognizer cannot be loaded.
        DataError: the table is damaged.
    """
    given = {"--words": words, "--recognizer": recognizer}
    if not model.uses_text and (option := next((name for name, value in given.items() if value is not None), None)):
        raise ConfigError(f"{model.name} reads no text; leave out {option}")
    if words is not None:
        return Words(lambda source, window: words)
    if recognizer is not None:
        return _recognize(recognizer, language)
    if table is not None:
        texts = read_texts(table)
        return Words(lambda source, window: find_text(texts, source))
    if model.reads_text:
        raise ConfigError(
            f"{model.name} reads text: give --words TEXT for one recording, --text TABLE (columns file and text, or a "
            "Kaldi table), or --recognizer openai/whisper-tiny.en"
        )
    return Words(lambda source, window: "")


def _recognize(checkpoint: str, language: str) -> Words:
    from ambiser.features.extraction.fingerprints import weights_digest
    from ambiser.features.upstreams.recognizer import Recognizer

    whisper = Recognizer(checkpoint, _WINDOW_S, language)

    def find(source: Source, window: Window) -> str:
        starts = range(0, len(window.wav), _MOST_SAMPLES)
        parts = [whisper.transcribe([window.wav[start : start + _MOST_SAMPLES]])[0] for start in starts]
        return " ".join(part for part in parts if part)

    weights = weights_digest(checkpoint)[:8]
    name = f"{Path(checkpoint).name}@{weights}" if weights else checkpoint
    return Words(find, f"recognizer {name} {language}")
