"""`ambiser ask`: the list as CSV and as tasks of Label Studio, ensembles, the simulation, faults."""

import csv
import json

import numpy as np
import pytest

from ambiser.bin.commands import ask
from ambiser.config.data_keys import LabelPolicy
from ambiser.errors import DataError
from ambiser.io.tables import read_tsv, write_table, write_tsv
from ambiser.labels.vote_table import COLUMNS
from ambiser.recipe.next_raters import find_candidates

CLASSES = ("neutral", "happy", "angry", "sad")
GIVEN = {"a": "hap hap hap hap hap", "b": "hap sad", "c": "neu", "d": "fru fru", "e": "ang fru"}
"""Votes by utterance: d has no vote in the classes and is left out, f has no vote at all."""


@pytest.fixture
def data(tmp_path):
    rows = [(u, f"E{i}", "outside", "primary", code) for u, v in GIVEN.items() for i, code in enumerate(v.split())]
    write_tsv(tmp_path / "all" / "votes.tsv", list(COLUMNS), rows)
    utts = [*GIVEN, "f"]
    write_table(tmp_path / "all" / "wav.scp", {utt: f"/corpus/{utt}.wav" for utt in utts})
    write_table(tmp_path / "all" / "text", {utt: f"words of {utt}" for utt in utts})
    return tmp_path


def predict(path, utts="abcdef", seed=0):
    rows = np.random.default_rng(seed).dirichlet(np.full(4, 5.0), len(utts))
    write_tsv(path, ["utt", *CLASSES], [[u, *(f"{p:.8f}" for p in row)] for u, row in zip(utts, rows, strict=True)])
    return path


def run(monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["ambiser ask", *map(str, words)])
    ask.main()


def test_the_list_ranks_utterances_with_few_and_split_votes_first(data, tmp_path, monkeypatch):
    folds = [predict(tmp_path / "1.tsv", "abc"), predict(tmp_path / "2.tsv", "def", seed=1)]
    run(monkeypatch, data, *folds, "--out", tmp_path / "ask.csv")
    with open(tmp_path / "ask.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert sorted(row["utt"] for row in rows) == ["a", "b", "c", "e", "f"], "d has votes, but none in the classes"
    assert rows[0]["utt"] == "f" and rows[0]["votes"] == "0" and rows[-1]["utt"] == "a"
    gains = [float(row["gain"]) for row in rows]
    assert gains == sorted(gains, reverse=True) and [row["rank"] for row in rows] == list("12345")
    (e,) = (row for row in rows if row["utt"] == "e")
    assert (e["raters"], e["votes"], e["audio"], e["text"]) == ("E0 E1", "1", "/corpus/e.wav", "words of e")
    assert sum(float(e[f"p_{name}"]) for name in CLASSES) == pytest.approx(1, abs=1e-3)


def test_tasks_of_label_studio_have_the_sound_and_no_prediction(data, tmp_path, monkeypatch):
    predictions = predict(tmp_path / "1.tsv")
    run(monkeypatch, data, predictions, "--out", tmp_path / "t.json", "--format", "label_studio", "--top", 2)
    tasks = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))
    assert [task["meta"]["rank"] for task in tasks] == [1, 2]
    assert tasks[0]["data"] == {"audio": "/corpus/f.wav", "utt": "f", "text": "words of f"}
    assert not {"predictions", "annotations"} & tasks[0].keys()


def test_seeds_are_members_and_other_classes_count_by_the_policy(data, tmp_path):
    seeds = [predict(tmp_path / f"{seed}.tsv", seed=seed) for seed in (1, 2)]
    found = find_candidates(data, seeds, LabelPolicy())
    assert found.members.shape == (2, 5, 4) and found.counts[found.utts.index("e")].tolist() == [0, 0, 1, 0]
    assert found.labels[found.utts.index("b")].tolist() == [1, 3, -1, -1, -1]


def test_the_simulation_writes_both_orders_and_a_figure(data, tmp_path, monkeypatch):
    run(monkeypatch, data, predict(tmp_path / "1.tsv"), "--out", tmp_path / "a.csv", "--simulate", tmp_path / "c.tsv")
    rows = read_tsv(tmp_path / "c.tsv", ["votes", "error_by_gain", "error_random"])
    assert rows[0]["votes"] == "2" and rows[-1]["votes"] == "7", "a and b have several votes"
    assert rows[0]["error_by_gain"] == rows[0]["error_random"] and rows[-1]["error_by_gain"] == rows[-1]["error_random"]
    assert (tmp_path / "c.png").is_file() and (tmp_path / "c.pdf").is_file()


def test_unequal_seeds_other_corpora_and_single_votes_are_faults(data, tmp_path, monkeypatch):
    one, part = predict(tmp_path / "1.tsv"), predict(tmp_path / "2.tsv", "ab")
    with pytest.raises(DataError, match="'a' has 2 predictions, 'c' 1; name the same folds of each seed"):
        find_candidates(data, [one, part], LabelPolicy())
    with pytest.raises(DataError, match="predicts no utterance of"):
        find_candidates(data, [predict(tmp_path / "3.tsv", "d")], LabelPolicy())
    alone = predict(tmp_path / "4.tsv", "cf")
    with pytest.raises(DataError, match="needs utterances with two or more votes"):
        run(monkeypatch, data, alone, "--out", tmp_path / "x.csv", "--simulate", tmp_path / "y.tsv")
    assert not (tmp_path / "x.csv").exists()
    with pytest.raises(SystemExit):
        run(monkeypatch, data, one, "--out", tmp_path / "x.csv", "--top", 0)
