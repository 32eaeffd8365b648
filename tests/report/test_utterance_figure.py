from types import SimpleNamespace

import numpy as np

from ambiser.report.utterance_figure import choose_utterances, draw_utterances

UTTS = ["e", "d", "c", "b", "a"]
SOFT = np.array([[1, 0], [0, 1], [0.5, 0.5], [0.75, 0.25], [0.5, 0.5]])


def test_the_first_middle_and_last_by_entropy_and_name_are_chosen():
    assert [UTTS[i] for i in choose_utterances(UTTS, SOFT)] == ["d", "b", "c"]
    assert choose_utterances(["x"], SOFT[:1]) == [0, 0, 0]


def test_bars_are_votes_and_predictions_of_at_most_three_systems():
    parts = [slice(0, 2), slice(2, 5)]
    folds = [SimpleNamespace(utts=np.array(UTTS[part]), soft=SOFT[part], probs=SOFT[part, ::-1]) for part in parts]
    figure = draw_utterances(dict.fromkeys(["one", "two", "three", "four"], folds), ["happy", "sad"])
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["votes", "one", "two", "three"]
    precise, _, ambiguous = figure.axes
    assert [bar.get_width() for bar in precise.containers[0]] == [0, 1]
    assert [bar.get_width() for bar in precise.containers[1]] == [1, 0]
    assert precise.get_title().startswith("d\ntwo raters agree: 1.00\npredicted: 1.00")
    assert "agree: 0.50" in ambiguous.get_title()
