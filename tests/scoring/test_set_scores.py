from dataclasses import replace

import numpy as np
import pytest
from scoring.test_evaluation import make_fold

from ambiser.io.records import from_json, to_json
from ambiser.report.set_figures import set_block, set_line
from ambiser.scoring.conformal import SetRule
from ambiser.scoring.evaluation import evaluate
from ambiser.scoring.results import AllScores
from ambiser.scoring.set_scores import fold_sets


@pytest.fixture
def folds(votes_and_predictions):
    made, rule = {}, SetRule("aps", 0.8, False, 0.0, 0)
    for number in (1, 2):
        dev = votes_and_predictions(40, seed=10 + number)
        fold = make_fold(votes_and_predictions(50, seed=number), prefix=f"s{number}")
        sets = fold_sets(rule, fold.probs, dev=dev["probs"], dev_soft=dev["soft"], dev_hard=dev["hard"])
        made[number] = replace(fold, sets=sets)
    return made


def test_coverage_and_size_are_those_of_a_slow_loop(folds):
    scores = evaluate(folds, bins=10, levels=[0.0, 0.95], resamples=60, sets_by="majority")
    sets = scores.sets
    assert sets.used == "majority" and list(sets.by) == ["votes", "majority"] and sets.coverage == 0.8
    for by, found in sets.by.items():
        held = [(row, y, h) for f in folds.values() for row, y, h in zip(f.sets.sets[by], f.soft, f.hard, strict=True)]
        assert found.pooled.coverage == pytest.approx(np.mean([y[row].sum() for row, y, _ in held]), abs=1e-6)
        assert found.pooled.size == pytest.approx(np.mean([row.sum() for row, _, _ in held]), abs=1e-6)
        assert found.pooled.majority_coverage == pytest.approx(
            np.mean([row[h] for row, _, h in held if h >= 0]), abs=1e-6
        )
        low, high = found.pooled.coverage_interval
        assert low < found.pooled.coverage < high
        assert sum(level.utterances for level in found.levels) == 100 == sum(found.sizes)
        assert sum(size * n for size, n in enumerate(found.sizes, start=1)) == sum(row.sum() for row, _, _ in held)
        assert [one.name for one in found.speakers] == list(scores.per_speaker)
        weighted = sum(one.coverage * one.utterances for one in found.speakers) / 100
        assert weighted == pytest.approx(found.pooled.coverage, abs=1e-5)
    assert from_json(AllScores, to_json(scores), "results.json") == scores


def test_a_fold_without_sets_gives_none_and_unbounded_thresholds_are_none(folds):
    assert evaluate(folds | {2: replace(folds[2], sets=None)}, bins=10, levels=[0.5], resamples=0).sets is None
    few = fold_sets(
        folds[1].sets.rule,
        folds[1].probs,
        dev=folds[2].probs[:2],
        dev_soft=folds[2].soft[:2],
        dev_hard=folds[2].hard[:2],
    )
    scores = evaluate({1: replace(folds[1], sets=few)}, bins=10, levels=[0.5], resamples=0).sets
    assert scores.by["votes"].thresholds == {1: [None] * 4} and scores.by["votes"].pooled.size == 4


def test_the_table_shows_all_levels_and_the_worst_speakers_of_the_calibration_in_use(folds):
    sets = evaluate(folds, bins=10, levels=[0.0, 0.95], resamples=60).sets
    sets = replace(sets, by=dict(sorted(sets.by.items())))  # as read from results.json
    block = set_block(sets)
    worst = min(sets.by["votes"].speakers, key=lambda one: one.coverage)
    labels = [label for label, _ in block["rows"]]
    assert labels[0] == "all (100)" and labels[1].startswith("low (")
    assert labels[4] == f"speaker {worst.name} ({worst.utterances})"
    assert block["rows"][0][1][0][0] == f"{sets.by['votes'].pooled.coverage:.3f}"
    assert {len(cells) + 1 for _, cells in block["rows"]} == {len(block["header"])}
    assert "APS" in set_line(sets) and "80 %" in set_line(sets)
