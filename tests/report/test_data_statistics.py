import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from report.accessible import faults

from ambiser.config.data_keys import Data, LabelPolicy
from ambiser.corpora.data_folder import prepare_data
from ambiser.io.layout import Layout
from ambiser.io.tables import read_list, read_table, read_tsv
from ambiser.labels.entropy import entropy_bits
from ambiser.labels.label_view import view_labels
from ambiser.labels.vote_table import read_votes
from ambiser.report.data_page import render_page
from ambiser.report.data_statistics import collect_statistics, untrained_classes
from ambiser.report.data_summary import summarize

LEVELS = [0.0, 0.95]


@pytest.fixture(scope="module")
def prepared(mini_corpus, tmp_path_factory):
    base = tmp_path_factory.mktemp("statistics")
    layout = Layout(base / "data", base, base)
    record = prepare_data(mini_corpus, Data(mini_utterances=60), layout)
    return record, collect_statistics(record, LabelPolicy(), LEVELS, layout), layout


def table(statistics, title):
    return next(t for t in statistics.tables if t.title == title)


def test_entropy():
    assert entropy_bits(np.array([[1, 0], [0.5, 0.5], [0.25, 0.75]])).tolist() == pytest.approx(
        [0, 1, 0.811278], abs=1e-6
    )


def test_every_table_counts_every_utterance_with_labels(prepared):
    record, statistics, layout = prepared
    kept = len(statistics.entropies)
    for title in ("gender", "ambiguity of the votes"):
        rows = table(statistics, title).rows
        assert sum(row[1] for row in rows) == kept
        assert all(row[1] == sum(row[2:]) for row in rows)
    *sessions, total = statistics.tables[0].rows
    assert [sum(column) for column in list(zip(*sessions, strict=True))[1:-1]] == total[1:-1]
    assert total[1] == record.utterances == kept + total[-2]
    assert [row[1:] for row in table(statistics, "utterances of each part").rows] == [[36, 12, 12]] * 5


def test_genders_are_those_of_the_speakers(prepared):
    record, statistics, layout = prepared
    genders = read_table(layout.table("spk2gender"))
    rows = {row[0]: row[1] for row in table(statistics, "gender").rows}
    assert rows.keys() == {"women", "men"}
    assert set(genders.values()) == {"f", "m"}


def test_the_raters_with_most_votes_have_agreement_and_preferences(prepared):
    _, statistics, _ = prepared
    shown = table(statistics, "rater")
    assert shown.header == [
        "rater",
        "utterances with others",
        "agreement",
        *(f"{c} +/-" for c in LabelPolicy().classes),
    ]
    assert {row[0] for row in shown.rows} <= {f"E{i}" for i in range(1, 6)} and len(shown.rows) >= 3
    for row in shown.rows:
        assert 0 < float(row[2]) <= 1 and abs(sum(map(float, row[3:]))) < 0.003


def test_levels_follow_the_entropies(prepared):
    _, statistics, _ = prepared
    h = statistics.entropies
    expected = [(h <= 1e-9).sum(), ((h > 1e-9) & (h <= 0.95)).sum(), (h > 0.95).sum()]
    rows = table(statistics, "ambiguity of the votes").rows
    assert [row[1] for row in rows] == expected
    assert [row[0] for row in rows] == ["H <= 0", "0 < H <= 0.95", "H > 0.95"]


def test_facts_are_of_the_outside_raters(prepared):
    record, statistics, layout = prepared
    votes = [row for row in read_tsv(layout.table("votes.tsv")) if row["source"] == "outside"]
    raters = Counter(utt for utt, _ in {(row["utt"], row["rater"]) for row in votes})
    assert sorted(statistics.raters_per_utterance) == sorted(raters.values())
    assert len(votes) > raters.total()  # some raters gave several labels
    per_utt = {}
    for row in votes:
        per_utt.setdefault(row["utt"], []).append(row["label"])
    unanimous = sum(len(set(labels)) == 1 for labels in per_utt.values()) / len(per_utt)
    assert statistics.facts["on all labels"].startswith(f"unanimous {100 * unanimous:.1f} %")
    assert re.fullmatch(r"0\.\d{3} on all labels, 0\.\d{3} on the classes", statistics.facts["Krippendorff's alpha"])


def test_the_text_and_the_page_say_the_same(prepared, tmp_path):
    record, statistics, layout = prepared
    text = summarize(record, statistics, layout)

    page = render_page(record, statistics, tmp_path)
    assert page == render_page(record, statistics, tmp_path)
    assert "This corpus is synthetic" in page and faults(page) == []
    assert page.count("<svg") == 3
    assert "://" not in re.sub(r'xmlns[^"]*"[^"]*"', "", page)
    for name, value in statistics.facts.items():
        assert f"{name}: {value}" in text
        assert value.split(",")[0] in page
    assert {path.suffix for path in tmp_path.iterdir()} == {".svg"}


def test_a_class_without_training_labels_is_named_with_its_folds(prepared):
    record, _, layout = prepared
    missing = collect_statistics(record, LabelPolicy(classes={"neutral": ["neu"], "bored": ["bor"]}), LEVELS, layout)
    assert missing.notes[0].startswith("Class bored has no training utterance in any fold (hard labels), so no model")
    classes = {"neutral": ["neu"], "bored": ["bor"], "calm": ["cal"]}
    (note,) = collect_statistics(record, LabelPolicy(classes=classes), LEVELS, layout).notes
    assert note.startswith("Classes bored, calm have no training utterance in any fold (hard labels), so no model can")
    assert missing.notes[0] in summarize(record, missing, layout).splitlines()
    votes = read_votes(layout.table("votes.tsv"))
    view = view_labels(votes, LabelPolicy())
    train = {fold: set(read_list(layout.fold_list(fold, "train"))) for fold in record.folds}
    rare = view.classes[0]
    hard = [
        0 if utt not in train[2] and c == 0 else max(int(c), 1) for utt, c in zip(view.utts, view.hard, strict=True)
    ]
    (note,) = untrained_classes(replace(view, hard=np.array(hard)), record, layout)
    folds = [k for k in record.folds if not any(h == 0 and u in train[k] for u, h in zip(view.utts, hard, strict=True))]
    assert 2 in folds and f"Class {rare} has no training utterance in fold{'s' * (len(folds) > 1)} {folds[0]}" in note


def test_a_leaking_split_is_said(mini_corpus, tmp_path):
    layout = Layout(tmp_path / "data", tmp_path, tmp_path)
    record = prepare_data(mini_corpus, Data(mini_utterances=60, protocol="random"), layout)
    statistics = collect_statistics(record, LabelPolicy(), LEVELS, layout)
    assert "LEAKS" in summarize(record, statistics, layout)
    page = render_page(record, statistics, tmp_path)
    assert "The split leaks: " in page
