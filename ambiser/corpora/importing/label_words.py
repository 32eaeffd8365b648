"""Maps the words that people use for emotions to the codes of the vocabulary."""

from collections import Counter
from collections.abc import Mapping

from ambiser.config.data_keys import LABELS
from ambiser.errors import ConfigError

WORDS = {
    "neu": ("neutral", "neutral state", "neutrality", "calm neutral", "n"),
    "hap": ("happy", "happiness", "joy", "joyful", "h"),
    "exc": ("excited", "excitement"),
    "sad": ("sadness",),
    "ang": ("angry", "anger"),
    "fru": ("frustrated", "frustration"),
    "fea": ("fear", "fearful", "scared", "anxiety"),
    "sur": ("surprise", "surprised"),
    "dis": ("disgust", "disgusted"),
    "con": ("contempt",),
    "oth": ("other", "others", "none of these"),
    "amu": ("amused", "amusement"),
    "ann": ("annoyed", "annoyance"),
    "cnc": ("concerned", "concern"),
    "cnf": ("confused", "confusion"),
    "dep": ("depressed", "depression"),
    "dsp": ("disappointed", "disappointment"),
    "bor": ("bored", "boredom"),
    "cal": ("calm", "calmness"),
}
_CODE_OF = {code: code for code in LABELS} | {word: code for code, words in WORDS.items() for word in words}


class LabelWords:
    """Looks up words, counts what was mapped, and keeps the words that are not known.

    Args:
        own: words of the user, which count before the built-in ones; the code "-" ignores the word.

    Raises:
        ConfigError: a code is not in the vocabulary.
    """

    def __init__(self, own: Mapping[str, str] | None = None) -> None:
        own = own or {}
        for word, code in own.items():
            if code not in (*LABELS, "-"):
                raise ConfigError(f"--labels {word}={code}: the code must be - or one of {', '.join(LABELS)}")
        self._code_of = _CODE_OF | {_plain(word): code for word, code in own.items()}
        self._seen: dict[str, str] = {}
        self.mapped: Counter[tuple[str, str]] = Counter()

    def knows(self, word: str) -> bool:
        """Whether a word has a code."""
        return _plain(word) in self._code_of

    def code(self, word: str) -> str:
        """Returns the code of a word, - for a word to ignore, and an empty text for an unknown word."""
        code = self._seen.get(word)
        if code is None:
            code = self._seen[word] = self._code_of.get(_plain(word), "")
        if code:
            self.mapped[word, code] += 1
        return code


def _plain(word: str) -> str:
    return " ".join(word.casefold().replace("_", " ").split())
