"""`ambiser doubt`: flipped votes come first; faults."""

import csv
import sys

import numpy as np
import pytest

from ambiser.bin.commands import doubt
from ambiser.config.data_keys import LabelPolicy
from ambiser.errors import ConfigError, DataError
from ambiser.io.tables import write_table, write_tsv
from ambiser.labels.vote_table import COLUMNS
from ambiser.recipe.label_errors import doubtful_votes

CLASSES = ("neutral", "happy", "angry", "sad")
CODES = ("neu", "hap", "ang", "sad")


@pytest.fixture
def data(tmp_path):
    """Forty utterances with four raters each; rater E0 is wrong on the first four."""
    truth = np.arange(40) % 4
    rows = []
    for utt in range(40):
        for rater in range(4):
            wrong = rater == 0 and utt < 4
            rows.append((f"u{utt:02}", f"E{rater}", "outside", "primary", CODES[(truth[utt] + wrong) % 4]))
    write_tsv(tmp_path / "all" / "votes.tsv", list(COLUMNS), rows)
    write_table(tmp_path / "all" / "wav.scp", {f"u{utt:02}": f"/corpus/{utt}.wav" for utt in range(40)})
    write_table(tmp_path / "all" / "text", {f"u{utt:02}": "words" for utt in range(40)})
    probs = 0.7 * np.eye(4)[truth] + 0.075
    lines = ((f"u{utt:02}", *(f"{p:.8f}" for p in row)) for utt, row in enumerate(probs))
    write_tsv(tmp_path / "p.tsv", ["utt", *CLASSES], lines)
    return tmp_path


def test_wrong_votes_come_first(data, monkeypatch):
    pytest.importorskip("cleanlab", reason="the extra 'crowd' is not installed")
    monkeypatch.setattr("sys.argv", ["ambiser doubt", str(data), str(data / "p.tsv"), "--out", str(data / "d.csv")])
    doubt.main()
    with open(data / "d.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 160
    assert {(row["utt"], row["rater"]) for row in rows[:4]} == {(f"u{utt:02}", "E0") for utt in range(4)}
    assert (rows[0]["audio"], rows[0]["text"]) == (f"/corpus/{int(rows[0]['utt'][1:])}.wav", "words")
    assert rows[0]["vote"] != rows[0]["consensus"]
    assert float(rows[0]["quality"]) < float(rows[4]["quality"])


def test_a_missing_package_is_one_line_with_the_command(data, monkeypatch):
    monkeypatch.setitem(sys.modules, "cleanlab.multiannotator", None)
    with pytest.raises(ConfigError, match=r"needs the package cleanlab; run pip install 'cleanlab>=2.7'"):
        doubtful_votes(data, [data / "p.tsv"], LabelPolicy())


def test_votes_without_others_beside_them_are_refused(data):
    rows = [(f"u{utt:02}", "E1", "outside", "primary", "neu") for utt in range(40)]
    write_tsv(data / "all" / "votes.tsv", list(COLUMNS), rows)
    with pytest.raises(DataError, match="no predicted utterance has votes of two named raters"):
        doubtful_votes(data, [data / "p.tsv"], LabelPolicy())
