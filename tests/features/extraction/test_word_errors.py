import random

from ambiser.features.extraction.word_errors import count_errors, count_word_errors


def _slow(a, b):
    """The definition, by recursion."""
    if not a or not b:
        return len(a) + len(b)
    return min(_slow(a[1:], b) + 1, _slow(a, b[1:]) + 1, _slow(a[1:], b[1:]) + (a[0] != b[0]))


def test_errors_are_the_edit_distance():
    draw = random.Random(0)
    for _ in range(50):
        a, b = ([draw.choice("xyz") for _ in range(draw.randrange(6))] for _ in range(2))
        assert count_errors(a, b) == _slow(a, b)


def test_case_punctuation_numbers_and_tags_are_no_errors():
    references = {"a": "[LAUGHTER] It's eleven o'clock.", "b": "That is exactly what happened.", "c": "not heard"}
    heard = {"a": "it is 11 o'clock", "b": "That's exactly what you happened", "d": "no reference"}
    assert count_word_errors(references, heard, "en") == (1, 4 + 5)
    assert count_word_errors(references, heard, "de")[0] > 1, "numbers are unified in English only"
