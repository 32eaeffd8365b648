"""Reads prompts: text files in which {classes} and {words} stand for the class names and the transcript."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ambiser.errors import DataError

_FIELDS = ("classes", "words")


@dataclass(frozen=True)
class Prompt:
    """A prompt with its fields."""

    text: str

    @property
    def needs_words(self) -> bool:
        """Whether it shows the transcript."""
        return "{words}" in self.text

    def fill(self, classes: Sequence[str], words: str) -> str:
        """Returns the prompt for an utterance; braces in the words stay as they are."""
        values = {"classes": ", ".join(classes), "words": words}
        return re.sub(r"\{(classes|words)\}", lambda found: values[found[1]], self.text)


def read_prompt(path: Path) -> Prompt:
    """Reads a prompt; lines that start with # are comments.

    Raises:
        DataError: the file is unreadable, empty or without {classes}, or has another field.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as a prompt: {error}") from error
    text = "\n".join(line for line in lines if not line.startswith("#")).strip()
    unknown = sorted({field for field in re.findall(r"\{(\w*)\}", text) if field not in _FIELDS})
    if unknown:
        raise DataError(f"{path}: unknown field {{{unknown[0]}}}; a prompt has {{classes}} and {{words}}")
    if "{classes}" not in text:
        raise DataError(f"{path}: lacks {{classes}}, so the model cannot know which words to answer with")
    return Prompt(text)
