"""The tables of both kinds of ambiguity, against numbers worked out utterance by utterance."""

import numpy as np
import pytest

from ambiser.report.conflict import MOST_DISAGREEING, ambiguity_block, conflict_thirds, disagreements
from ambiser.report.system_details import Detail, Heads
from ambiser.scoring.groups import Fold
from ambiser.scoring.utterance_scores import jsd_bits

CLASSES = ("neutral", "happy", "angry", "sad")


@pytest.fixture
def details(votes_and_predictions):
    """Two folds of 30 utterances with heads and weights."""
    made, rng = [], np.random.default_rng(3)
    for number in range(2):
        arrays = votes_and_predictions(30, seed=number)
        names = np.array([f"f{number}u{i:02d}" for i in range(30)])
        fold = Fold(**arrays, kind=arrays["hard"], speakers=names, prior=arrays["soft"][0], majority=0, utts=names)
        weight = rng.random(30)
        probs = {head: rng.dirichlet(np.ones(4), size=30) for head in ("A", "T", "AT")}
        made.append(Detail(fold, heads=Heads(probs, {"A": weight, "T": 1 - weight})))
    return made


def test_means_by_level_and_by_third(details):
    block = ambiguity_block(details, [0.0, 0.95])
    header = [name for name, _ in block["header"]]
    assert header == ["Ambiguity", "conflict", *["entropy"] * 4, *["BC"] * 3, *["teacher weight"] * 2]
    rows = {label.partition(" (")[0]: [float(cell[0]) for cell in cells] for label, cells in block["rows"]}
    groups = [f"{who}: {name}" for who in ("raters", "modalities") for name in ("low", "medium", "high")]
    assert list(rows) == ["all utterances", *groups]
    soft = np.concatenate([d.fold.soft for d in details])
    fused = np.concatenate([d.heads.probs["AT"] for d in details])
    conflict = np.concatenate([jsd_bits(d.heads.probs["A"], d.heads.probs["T"]) for d in details])
    weight = np.concatenate([d.heads.weights["T"] for d in details])
    sure = soft.max(axis=1) == 1
    overlap = np.array([sum(np.sqrt(p * y)) for p, y in zip(fused, soft, strict=True)])
    assert rows["raters: low"][1] == 0
    assert rows["raters: low"][7] == pytest.approx(overlap[sure].mean(), abs=6e-4)
    highest = np.argsort(conflict)[40:]
    assert rows["modalities: high"][0] == pytest.approx(conflict[highest].mean(), abs=6e-4)
    assert rows["modalities: high"][9] == pytest.approx(weight[highest].mean(), abs=6e-4)


def test_thirds_hold_as_many_each():
    conflict = np.random.default_rng(0).random(90)
    assert np.bincount(conflict_thirds(conflict)).tolist() == [30, 30, 30]


def test_the_utterances_that_disagree_most_come_first_with_what_everyone_says(details):
    table = disagreements(details, CLASSES, {"f0u03": "well"})
    assert table["header"] == ["utterance", "words", "JSD (bits)", "votes", "speech", "text", "speech + text"]
    conflict = {str(utt): value for d in details for utt, value in zip(d.fold.utts, d.heads.conflict(), strict=True)}
    assert [row[0] for row in table["rows"]] == sorted(conflict, key=lambda utt: -conflict[utt])[:MOST_DISAGREEING]
    first = details[0].heads.probs
    for head in ("A", "T"):
        first[head][3] = np.eye(4)[{"A": 2, "T": 3}[head]]
    details[0].fold.soft[3] = [0.1, 0.0, 0.6, 0.3]
    row = disagreements(details, CLASSES, {"f0u03": "well"})["rows"][0]
    assert row[:6] == ("f0u03", "well", "1.000", "angry 60\xa0%, sad 30\xa0%", "angry 100\xa0%", "sad 100\xa0%")
