"""`labels.least_raters`: utterances with few outside raters are left out and counted."""

from collections import Counter

import numpy as np
import pytest

from ambiser.config.data_keys import LabelPolicy
from ambiser.labels.label_view import view_labels
from ambiser.labels.vote_table import COLUMNS, read_votes

REASON = "fewer than 3 outside raters"


@pytest.fixture
def votes(tmp_path):
    """Utterance uN has N outside raters; some give two labels, a secondary label, or a label outside the classes."""
    rows = [("u2", "E1", "self", "primary", "neu"), ("u2", "E1", "outside", "secondary", "sad")]
    for raters in range(1, 6):
        rows += [(f"u{raters}", f"E{i}", "outside", "primary", "neu" if i else "fru") for i in range(raters)]
    rows += [("u1", "E0", "outside", "primary", "hap"), ("u2", "E0", "outside", "primary", "sad")]
    path = tmp_path / "votes.tsv"
    path.write_text("\n".join("\t".join(row) for row in [COLUMNS, *rows]) + "\n")
    return read_votes(path)


@pytest.mark.parametrize("include_self", [False, True])
def test_only_outside_raters_count_and_each_once(votes, include_self):
    view = view_labels(votes, LabelPolicy(least_raters=3, include_self=include_self))
    assert view.utts == ["u3", "u4", "u5"]
    assert Counter(view.left_out.values()) == {REASON: 2}


def test_an_utterance_without_votes_keeps_its_own_reason(votes):
    view = view_labels(votes, LabelPolicy(least_raters=3), ["u0", "u1", "u5"])
    assert view.left_out == {"u0": "no counted votes", "u1": REASON}


def test_the_labels_of_kept_utterances_stay(votes):
    few, all_of_them = view_labels(votes, LabelPolicy(least_raters=4)), view_labels(votes, LabelPolicy())
    rows = [all_of_them.utts.index(utt) for utt in few.utts]
    assert few.utts == ["u4", "u5"]
    np.testing.assert_array_equal(few.soft, all_of_them.soft[rows])
    np.testing.assert_array_equal(few.hard, all_of_them.hard[rows])


def test_0_and_1_leave_nobody_out(votes):
    assert view_labels(votes, LabelPolicy(least_raters=1)).utts == view_labels(votes, LabelPolicy()).utts
