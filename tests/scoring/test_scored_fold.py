import numpy as np
import pytest

from ambiser.errors import DataError
from ambiser.labels.label_view import LabelView
from ambiser.scoring.scored_fold import load_fold, most_frequent


def _view(arrays, utts):
    labels = {name: arrays[name] for name in ("counts", "soft", "hard")}
    return LabelView(tuple("abcd"), utts, **labels, kind=arrays["hard"] * 0, left_out={})


def test_a_fold_is_loaded_with_speakers_and_the_prior_of_training(tmp_path, votes_and_predictions):
    arrays, train = votes_and_predictions(3), votes_and_predictions(40, seed=9)
    utts = ["u1", "u2", "u3"]
    rows = ["\t".join([utt, *map(str, row)]) for utt, row in zip(utts, arrays["probs"], strict=True)]
    path = tmp_path / "predictions.tsv"
    path.write_text("\n".join(["utt\ta\tb\tc\td", *rows]) + "\n")
    parts = {"test": _view(arrays, utts), "train": _view(train, [f"t{i}" for i in range(40)])}
    fold = load_fold(path, **parts, speakers={"u1": "x", "u2": "y", "u3": "x"})
    assert fold.speakers.tolist() == ["x", "y", "x"]
    assert fold.probs == pytest.approx(arrays["probs"]) and fold.prior == pytest.approx(train["soft"].mean(axis=0))
    with pytest.raises(DataError, match="'u3' has no speaker"):
        load_fold(path, **parts, speakers={"u1": "x", "u2": "y"})
    parts["train"] = _view({name: values[:0] for name, values in train.items()}, [])
    with pytest.raises(DataError, match="no utterance of the training part has a vote for a, b, c, d"):
        load_fold(path, **parts, speakers={})


def test_the_most_frequent_class_by_reference_and_by_votes_without_one():
    soft = np.array([[0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])
    assert most_frequent(np.array([0, 1, 1]), soft) == 1
    assert most_frequent(np.array([-1, -1, 0]), soft) == 0
    assert most_frequent(np.array([-1, -1, -1]), soft) == 0
