"""Maps the words that people use for emotions to the codes of the vocabulary."""

from collections import Counter
from collections.abc import Mapping, Sequence

from ambiser.config.data_keys import LABELS
from ambiser.errors import ConfigError
from ambiser.labels.vocabulary import is_code

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
_NO_CODE = "must be of small letters, digits and _, a letter first"
_CODE_OF = {code: code for code in LABELS} | {word: code for code, words in WORDS.items() for word in words}


class LabelWords:
    """Looks up words, counts what was mapped, and keeps the words that are not known.

    Args:
        own: words of the user, which count before the built-in ones; the code "-" ignores the word.
        new_labels: codes that the built-in vocabulary lacks; each is also a word for itself.

    Raises:
        ConfigError: a code is not in the vocabulary, or a new one is built in or no code.
    """

    def __init__(self, own: Mapping[str, str] | None = None, new_labels: Sequence[str] = ()) -> None:
        own = own or {}
        for code in new_labels:
            built_in = _CODE_OF.get(_plain(code), "")
            if built_in or not is_code(code):
                fault = f"is built in as {built_in}; leave it out" if built_in else _NO_CODE
                raise ConfigError(f"--new_labels {code}: {fault}")
        known = (*LABELS, *new_labels)
        for word, code in own.items():
            if code not in (*known, "-"):
                choices = f"- or one of {', '.join(known)}, or declared with --new_labels"
                raise ConfigError(f"--labels {word}={code}: the code must be {choices}")
        self.new_labels = tuple(sorted(new_labels))
        self._code_of = _CODE_OF | {_plain(code): code for code in new_labels}
        self._code_of |= {_plain(word): code for word, code in own.items()}
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


def class_words(classes: Mapping[str, Sequence[str]], columns: Sequence[str]) -> dict[str, int]:
    """Returns the column of each word that names a class: the class's name, and the words for its labels.

    Args:
        classes: labels by class.
        columns: names of the classes in the order of the columns; one without labels ('other') has its name alone.
    """
    numbers = {}
    for number, name in enumerate(columns):
        codes = classes.get(name, ())
        of_labels = [word for code in codes for word in WORDS.get(code, ()) if len(word) > 1]
        numbers |= {_plain(word): number for word in (*codes, *of_labels)}
    return numbers | {_plain(name): number for number, name in enumerate(columns)}


def _plain(word: str) -> str:
    return " ".join(word.casefold().replace("_", " ").split())
