"""Maps the words that people use for emotions to the codes of the vocabulary."""

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence

from ambiser.config.data_keys import LABELS
from ambiser.corpora.findings import Findings
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
_MOST_WORDS = 30  # that a suggestion names; a column of sentences is no column of labels
_SHORT = 2  # letters; so short a word is like any other
_LIKENESS = 0.8  # of a typing error to a word
_CODE_OF = {code: code for code in LABELS} | {word: code for code, words in WORDS.items() for word in words}


class LabelWords:
    """Looks up words, and counts mapped and unknown ones.

    Args:
        own: words of the user, which count before the built-in ones; the code "-" ignores the word.
        new_labels: codes that the built-in vocabulary lacks; each is also a word for itself.
        findings: gets the faults of both, so that they are reported with those of the table.

    Raises:
        ConfigError: there are no findings, and a code is not in the vocabulary, or a new one is built in or no code.
    """

    def __init__(
        self,
        own: Mapping[str, str] | None = None,
        new_labels: Sequence[str] = (),
        findings: Findings | None = None,
    ) -> None:
        own = own or {}
        faults = _faults(own, new_labels)
        if faults and findings is None:
            raise ConfigError("\n  ".join(f"{option}: {reason}" for option, reason in faults))
        for option, reason in faults:
            findings.error(reason, option)
        self.new_labels = tuple(sorted(new_labels))
        self._code_of = _CODE_OF | {_plain(code): code for code in new_labels}
        self._code_of |= {_plain(word): code for word, code in own.items()}
        self._seen: dict[str, str] = {}
        self._count: Counter[str] = Counter()

    def knows(self, word: str) -> bool:
        """Whether a word has a code."""
        return _plain(word) in self._code_of

    def code(self, word: str) -> str:
        """Returns the code of a word, - for a word to ignore, and an empty text for an unknown word."""
        code = self._seen.get(word)
        if code is None:
            code = self._seen[word] = self._code_of.get(_plain(word), "")
        self._count[word] += 1
        return code

    def mapped(self) -> Counter[tuple[str, str]]:
        """Returns how often each word was mapped to each code."""
        return Counter({(word, self._seen[word]): n for word, n in self._count.items() if self._seen[word]})

    def suggest(self) -> list[str]:
        """Returns lines with the options that map the unknown words: by likeness, as a new label, or as to be chosen.

        Words that look like a known one are taken as typing errors.
        """
        unknown = [word for word in self._count if not self._seen[word]]
        if not 0 < len(unknown) <= _MOST_WORDS:
            return []
        near = {word: self._nearest(word) for word in unknown}
        typed = [f"'{word}={code}'" if " " in word else f"{word}={code}" for word, code in near.items() if code]
        other = [f"{word!r} ({self._count[word]})" for word, code in near.items() if not code]
        lines = [f"likely typing errors; to map them: --labels {' '.join(typed)}"] if typed else []
        return lines + ([f"unknown labels (cells): {', '.join(other)}"] if other else [])

    def _nearest(self, word: str) -> str:
        """Returns the code of the known word that is most like a word; empty if none is."""
        known = [other for other in self._code_of if len(other) > _SHORT]
        near = difflib.get_close_matches(_plain(word), known, 1, _LIKENESS)
        return self._code_of[near[0]] if near else ""


def _faults(own: Mapping[str, str], new_labels: Sequence[str]) -> list[tuple[str, str]]:
    """Returns option and reason of every fault in the options."""
    faults = []
    for code in new_labels:
        built_in = _CODE_OF.get(_plain(code), "")
        if built_in or not is_code(code):
            faults.append((f"--new_labels {code}", f"is built in as {built_in}; remove it" if built_in else _NO_CODE))
    known = (*LABELS, *new_labels)
    choices = f"- or one of {', '.join(known)}, or declared with --new_labels"
    wrong = [(word, code) for word, code in own.items() if code not in (*known, "-")]
    return faults + [(f"--labels {word}={code}", f"the code must be {choices}") for word, code in wrong]


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
