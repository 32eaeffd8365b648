"""The table of attributes on the results page."""

from ambiser.report.attribute_table import attribute_block
from ambiser.scoring.attribute_scores import AttributeScore


def test_shows_scores_with_intervals_and_undefined_ones():
    block = attribute_block(
        [AttributeScore("valence", 1200, 0.5, [0.4, 0.6], 900, 0.1, [0.0, 0.2], float("nan"), None)]
    )
    assert block["rows"] == [
        ("valence (1,200)", [["0.500", "0.400\N{EN DASH}0.600"], ["0.100", "0.000\N{EN DASH}0.200"], ["-"], ["900"]])
    ]
