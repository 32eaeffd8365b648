import numpy as np
import pytest

from ambiser.errors import DataError
from ambiser.scoring.prediction_table import average_predictions, read_predictions

CLASSES = ["neutral", "happy"]
GOOD = "utt\tneutral\thappy\na\t0.25\t0.75\nb\t1.00000000\t0.00000000\n"


def _read(tmp_path, text, utts=("a", "b")):
    path = tmp_path / "predictions.tsv"
    path.write_text(text)
    return read_predictions(path, CLASSES, list(utts))


def test_rows_come_in_the_order_asked_for_and_sum_to_one(tmp_path):
    assert _read(tmp_path, GOOD, ("b", "a")).tolist() == [[1, 0], [0.25, 0.75]]
    probs = _read(tmp_path, GOOD.replace("0.25\t0.75", "0.25003\t0.75"))
    assert np.abs(probs.sum(axis=1) - 1).max() < 1e-12


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("neutral\thappy", "happy\tneutral", ":1: the columns must be utt neutral happy, in this order"),
        ("neutral\thappy", "neutral\tjoy", ":1: the header lacks happy"),
        ("0.25\t0.75", "0.25\t0.7502", ":2: the probabilities of 'a' sum to 1.0002"),
        ("0.25\t0.75", "nan\t0.75", ":2: the probability nan of 'a' is outside 0 to 1"),
        ("0.25\t0.75", "-0.25\t1.25", ":2: the probability -0.25 of 'a' is outside 0 to 1"),
        ("0.25\t0.75", "0.25\tx", ":2: 'x' of 'a' is not a number"),
        ("0.25\t0.75", "0.25", ":2: 2 fields"),
        ("b\t", "a\t", ":3: 'a' appears twice (first in line 2)"),
        ("b\t", "c\t", ":3: 'c' is not an utterance"),
        ("b\t1.00000000\t0.00000000\n", "", ":2: 1 of 2 utterances are missing, first 'b'"),
        ("0.00000000\n", "0.00000000", "truncated"),
    ],
)
def test_every_fault_is_one_line_with_file_and_line(tmp_path, old, new, expected):
    with pytest.raises(DataError) as fault:
        _read(tmp_path, GOOD.replace(old, new))
    assert expected in str(fault.value) and "predictions.tsv:" in str(fault.value)
    assert "\n" not in str(fault.value)


def test_a_table_without_rows_misses_all_and_a_missing_one_is_said(tmp_path):
    with pytest.raises(DataError, match="2 of 2 utterances are missing"):
        _read(tmp_path, "utt\tneutral\thappy\n")
    with pytest.raises(DataError, match=r"no\.tsv: cannot be read"):
        read_predictions(tmp_path / "no.tsv", CLASSES, ["a"])


def test_only_predictions_of_the_same_utterances_are_averaged(tmp_path):
    one, other = tmp_path / "one.tsv", tmp_path / "other.tsv"
    one.write_text("utt\tx\ty\na\t0.2\t0.8\nb\t0.5\t0.5\n")
    other.write_text("utt\tx\ty\na\t0.4\t0.6\nb\t0.9\t0.1\n")
    average_predictions([one, other], tmp_path / "mean.tsv")
    assert read_predictions(tmp_path / "mean.tsv", ["x", "y"], ["a", "b"]) == pytest.approx(
        np.array([[0.3, 0.7], [0.7, 0.3]])
    )
    other.write_text("utt\tx\ty\na\t0.4\t0.6\n")
    with pytest.raises(DataError, match=r"other\.tsv: has other utterances or columns than .*one\.tsv"):
        average_predictions([one, other], tmp_path / "mean.tsv")
