"""Comparing and flattening resolved configurations."""

from ambiser.config.resolved import differing_keys, flatten


def test_differing_keys_name_both_values():
    assert differing_keys({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}, "d": 4}) == [
        "a.c: 2 -> 3",
        "d: (not set) -> 4",
    ]


def test_flatten_keeps_the_classes_as_one_value():
    tree = {"labels": {"classes": {"sad": ["sad"]}, "ties": "first"}, "ssl": "fbank"}
    assert flatten(tree) == {"labels.classes": {"sad": ["sad"]}, "labels.ties": "first", "ssl": "fbank"}
