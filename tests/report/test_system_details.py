"""Embeddings, heads and the list of utterances."""

import json
from dataclasses import replace

import numpy as np
import pytest

from ambiser.errors import DataError
from ambiser.report.detail_figures import draw_conflict, draw_embeddings
from ambiser.report.system_details import Detail, Heads, read_heads
from ambiser.report.utterance_list import MOST_ROWS, as_script, list_utterances
from ambiser.scoring.groups import Fold
from ambiser.scoring.utterance_scores import bhattacharyya, jsd_bits

CLASSES = ("neutral", "happy", "angry", "sad")
HEADS = """\
utt\tA_x\tA_y_z\tT_x\tT_y_z\tAT_x\tAT_y_z\tweight_A\tweight_T\tentropy_bits_A\tjsd_bits_A_T
a\t0.9\t0.1\t0.5\t0.5\t0.7\t0.3\t0.25\t0.75\t0.47\t0.15
b\t0.2\t0.8\t0.2\t0.8\t0.4\t0.6\t0.5\t0.5\t0.72\t0
"""


@pytest.fixture
def fold(votes_and_predictions):
    arrays = votes_and_predictions(60, seed=4)
    kind = np.where(arrays["hard"] < 0, 2, np.where(arrays["counts"].max(axis=1) == 3, 0, 1))
    names = np.array([f"u{i:02d}" for i in range(60)])
    return Fold(**arrays, kind=kind, speakers=names, prior=arrays["soft"].mean(axis=0), majority=0, utts=names)


def test_heads_are_read_in_the_order_asked_for(tmp_path):
    path = tmp_path / "heads.tsv"
    path.write_text(HEADS)
    heads = read_heads(path, ["b", "a"])
    assert list(heads.probs) == ["A", "T", "AT"] and heads.probs["AT"].tolist() == [[0.4, 0.6], [0.7, 0.3]]
    assert heads.weights["A"].tolist() == [0.5, 0.25] and heads.weights["T"].tolist() == [0.5, 0.75]
    assert heads.conflict() == pytest.approx([0, jsd_bits(np.array([[0.9, 0.1]]), np.array([[0.5, 0.5]]))[0]])
    with pytest.raises(DataError, match=r"heads\.tsv: 'c' is missing"):
        read_heads(path, ["a", "c"])
    path.write_text(HEADS.replace("0.25", "much"))
    with pytest.raises(DataError, match=r"heads\.tsv: .*'much'"):
        read_heads(path, ["a", "b"])


def test_the_figure_of_conflict_shows_mean_weights_and_bc_by_thirds(fold):
    rng = np.random.default_rng(0)
    probs = {head: rng.dirichlet(np.ones(4), size=60) for head in ("A", "T", "AT")}
    weight = rng.random(60)
    heads = Heads(probs, {"A": weight, "T": 1 - weight})
    above, below = draw_conflict([Detail(fold, heads=heads)]).axes
    means = above.lines[1].get_ydata()
    assert means[0] == pytest.approx(weight[fold.soft.max(axis=1) == 1].mean()), "unanimous: entropy 0"
    order = np.argsort(heads.conflict())
    drawn = below.lines[2].get_ydata()
    expected = [bhattacharyya(probs["AT"], fold.soft)[part].mean() for part in np.array_split(order, 3)]
    assert drawn == pytest.approx(expected)


def test_the_embedding_picture_has_every_utterance_and_a_star_a_class_and_is_the_same_every_time(fold):
    rng = np.random.default_rng(1)
    names = tuple(reversed([*fold.utts, "not scored"]))
    detail = Detail(fold, rng.normal(size=(61, 8)), rng.normal(size=(4, 8)), names)
    axis, again = (draw_embeddings(detail, CLASSES).axes[0] for _ in range(2))
    drawn = sum(len(line.get_xdata()) for line in axis.lines if line.get_marker() in ("o", "x"))
    assert drawn == 60
    stars = [line for line in axis.lines if line.get_marker() == "*" and len(line.get_xdata())]
    assert len(stars) == 4
    assert len(axis.lines[0].get_xdata()) == (fold.hard < 0).sum(), "crosses are those without a majority"
    assert all((a.get_xydata() == b.get_xydata()).all() for a, b in zip(axis.lines, again.lines, strict=True))


def test_the_list_sorts_by_divergence_and_names_level_kind_words_and_sound(fold):
    other = replace(fold, probs=fold.soft)
    about = {"classes": CLASSES, "levels": [0.0, 0.95], "words": {"u05": "well"}, "audio": {"u05": "x.wav"}}
    listing = list_utterances({"a": {3: fold}, "b": {3: other}}, **about)
    assert listing["tags"] == ["a", "b"] and listing["levels"] == ["low", "medium", "high"] and listing["total"] == 60
    gaps = [row["gap"][0] for row in listing["rows"]]
    assert gaps == sorted(gaps, reverse=True) and {row["gap"][1] for row in listing["rows"]} == {0.0}
    row = next(row for row in listing["rows"] if row["utt"] == "u05")
    assert (row["text"], row["audio"], row["fold"], row["class"]) == ("well", "x.wav", 3, fold.hard[5])
    assert row["votes"] == [round(100 * share) for share in fold.soft[5]] == row["probs"][1]
    kinds = {"no majority": fold.hard < 0, "precise": fold.kind == 0, "ambiguous": (fold.kind == 1) & (fold.hard >= 0)}
    for kind, mask in kinds.items():
        assert sorted(r["utt"] for r in listing["rows"] if r["kind"] == kind) == sorted(fold.utts[mask])
    assert all((row["level"] == 0) == (max(row["votes"]) == 100) for row in listing["rows"])


def test_of_very_many_utterances_the_most_divergent_are_listed(votes_and_predictions):
    arrays = votes_and_predictions(MOST_ROWS + 50, seed=2)
    names = np.array([f"u{i:05d}" for i in range(MOST_ROWS + 50)])
    fold = Fold(**arrays, kind=arrays["hard"], speakers=names, prior=arrays["soft"][0], majority=0, utts=names)
    listing = list_utterances({"a": {1: fold}}, classes=CLASSES, levels=[0.5], words={}, audio={})
    assert len(listing["rows"]) == MOST_ROWS and listing["total"] == MOST_ROWS + 50
    left_out = set(names) - {row["utt"] for row in listing["rows"]}
    gaps = dict(zip(names, jsd_bits(arrays["probs"], arrays["soft"]), strict=True))
    assert max(gaps[utt] for utt in left_out) <= min(row["gap"][0] for row in listing["rows"]) + 1e-3


def test_no_transcript_can_end_the_script():
    text = as_script({"text": "</script><b>&amp;"})
    assert "<" not in text and ">" not in text and "&" not in text
    assert json.loads(text) == {"text": "</script><b>&amp;"}
