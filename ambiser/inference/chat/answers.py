"""Turns answers of a language model, or its probabilities of first tokens, into a distribution over the classes."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

REFUSAL, UNPARSABLE = "refusal", "unparsable"
_REFUSALS = re.compile(
    r"\b(can['’]?t|cannot|can not|unable|won['’]?t|not able|not allowed|do not have|don['’]?t have|sorry|as an ai)\b"
)


@dataclass(frozen=True)
class Reading:
    """What the answers on one utterance say.

    Attributes:
        probs: (C,) distribution; None where no answer names a class.
        refusals: answers that decline.
        unparsable: other answers that name no class, or several.
    """

    probs: np.ndarray | None
    refusals: int
    unparsable: int


def parse_answer(answer: str, words: Mapping[str, int]) -> int | str:
    """Returns the class that an answer names, REFUSAL or UNPARSABLE.

    An answer counts if exactly one class occurs in it as a whole word. A negation ("not angry") is not understood, so
    prompts should ask for one word.

    Args:
        answer: the text.
        words: class by word, in small letters.
    """
    text = _words_alone(answer)
    named = {number for word, number in words.items() if re.search(rf"\b{re.escape(word)}\b", text)}
    if _REFUSALS.search(answer.casefold()):  # "I cannot say whether she is angry" names a class and declines
        return REFUSAL
    return named.pop() if len(named) == 1 else UNPARSABLE


def read_answers(answers: Sequence[str], words: Mapping[str, int], classes: int, smoothing: float) -> Reading:
    """Returns the shares of the classes in sampled answers, smoothed as if each class had `smoothing` answers more."""
    parsed = [parse_answer(answer, words) for answer in answers]
    counts = np.bincount([one for one in parsed if isinstance(one, int)], minlength=classes).astype(float)
    refusals, unparsable = parsed.count(REFUSAL), parsed.count(UNPARSABLE)
    if not counts.sum():
        return Reading(None, refusals, unparsable)
    return Reading((counts + smoothing) / (counts + smoothing).sum(), refusals, unparsable)


def read_tokens(tokens: Mapping[str, float], words: Mapping[str, int], classes: int) -> Reading:
    """Returns the distribution over classes from log-probabilities of the first token of an answer.

    A token counts for a class if it begins words of this class and of no other; the others' mass is dropped.
    """
    mass = np.zeros(classes)
    for token, log_prob in tokens.items():
        start = _words_alone(token)
        named = {number for word, number in words.items() if start and word.startswith(start)}
        if len(named) == 1:
            mass[named.pop()] += np.exp(log_prob)
    if not mass.sum():
        return Reading(None, 0, 1)
    return Reading(mass / mass.sum(), 0, 0)


def _words_alone(text: str) -> str:
    """Returns a text in small letters, without punctuation, with single blanks."""
    return re.sub(r"[_\W]+", " ", text.casefold()).strip()
