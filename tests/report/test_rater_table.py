"""The table of single raters on the results page."""

import pytest

from ambiser.errors import DataError
from ambiser.report.rater_table import rater_block, read_raters

HEADER = "rater\ttrain_votes\tvotes\tnll_mean_rater\tnll\taccuracy\tbias_sad\tbias_angry\n"


def _read(path, *lines):
    path.write_text(HEADER + "".join("\t".join(line.split()) + "\n" for line in lines))
    return read_raters(path, ["sad", "angry"])


def test_averages_over_votes_by_rater_and_by_training_votes(tmp_path):
    path = tmp_path / "raters.tsv"
    rows = _read(path, "E1 120 10 1.0 0.8 0.5 +0.2 -0.2", "E2 0 30 1.4 1.4 0.3 - -", "E3 5 0 - - - +0.1 -0.1")
    rows += _read(path, "E1 110 30 2.0 1.2 0.7 +0.4 -0.4")
    block = rater_block(rows, ["sad", "angry"])
    shown = {label: [cell[0] for cell in cells] for label, cells in block["rows"]}
    assert shown == {
        "all raters (70)": ["1.600", "1.229", "0.500", "-", "-"],
        "unknown in training (30)": ["1.400", "1.400", "0.300", "-", "-"],
        "100 to 999 training votes (40)": ["1.750", "1.100", "0.650", "-", "-"],
        "rater E1 (40)": ["1.750", "1.100", "0.650", "+0.300", "-0.300"],
        "rater E2 (30)": ["1.400", "1.400", "0.300", "-", "-"],
        "rater E3 (0)": ["-", "-", "-", "+0.100", "-0.100"],
    }


def test_a_damaged_table_names_file_and_rater(tmp_path):
    with pytest.raises(DataError, match=r"raters\.tsv: rater E1: .*run stage 7 again"):
        _read(tmp_path / "raters.tsv", "E1 120 10 1.0 x 0.5 +0.2 -0.2")
