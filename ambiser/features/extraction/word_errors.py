"""Counts word errors of transcripts, normalized as Whisper's authors do (case, punctuation, numbers, contractions)."""

from collections.abc import Mapping, Sequence


def count_errors(reference: Sequence[str], heard: Sequence[str]) -> int:
    """Returns the edit distance: the fewest substitutions, deletions and insertions of words."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(reference, start=1):
        before, row[0] = row[0], i
        for j, other in enumerate(heard, start=1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1]


def count_word_errors(references: Mapping[str, str], heard: Mapping[str, str], language: str) -> tuple[int, int]:
    """Returns errors and reference words, over the utterances of both tables; their ratio is the word error rate.

    Args:
        references: transcripts of the corpus, by utterance; words in brackets such as [LAUGHTER] do not count.
        heard: transcripts of the recognizer.
        language: "en" also unifies numbers, contractions and titles.
    """
    from transformers.models.whisper.english_normalizer import BasicTextNormalizer, EnglishTextNormalizer

    normalize = EnglishTextNormalizer({}) if language == "en" else BasicTextNormalizer()
    errors = total = 0
    for utt in references.keys() & heard.keys():
        words = normalize(references[utt]).split()
        errors += count_errors(words, normalize(heard[utt]).split())
        total += len(words)
    return errors, total
