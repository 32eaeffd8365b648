"""Mean and spread of the outside raters' valence, arousal and dominance."""

import numpy as np
import pytest

from ambiser.errors import DataError
from ambiser.labels.ratings import load_ratings

HEADER = "utt\trater\tsource\tvalence\tarousal\tdominance\n"


def _table(tmp_path, *lines):
    path = tmp_path / "attributes.tsv"
    path.write_text(HEADER + "".join("\t".join(line.split()) + "\n" for line in lines))
    return path


def test_averages_outside_ratings_and_skips_blank_ones(tmp_path):
    path = _table(
        tmp_path,
        "a E1 outside 1 2 5",
        "a E2 outside 3 nan 5",
        "a F self 5 5 5",
        "b E1 outside 4 4 4",
        "x E1 outside 9 9 9",
    )
    ratings = load_ratings(path, ["a", "b", "c"])
    assert ratings.count.tolist() == [[2, 1, 2], [1, 1, 1], [0, 0, 0]]
    assert ratings.mean[:2].tolist() == [[2, 2, 5], [4, 4, 4]]
    assert ratings.variance[0, [0, 2]].tolist() == [2, 0]  # unbiased: (1 + 1) / 1
    assert np.isnan(ratings.variance[[0, 1], [1, 0]]).all()
    assert np.isnan(ratings.mean[2]).all()


def test_a_damaged_rating_names_utterance_and_rater(tmp_path):
    with pytest.raises(DataError, match=r"attributes\.tsv: a, rater E1: .*run stage 1 again"):
        load_ratings(_table(tmp_path, "a E1 outside 1 x 5"), ["a"])
