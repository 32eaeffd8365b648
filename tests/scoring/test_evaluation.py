import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from ambiser.errors import DataError
from ambiser.io.records import to_json
from ambiser.labels.entropy import entropy_bits
from ambiser.scoring.bootstrap import draw_speakers, percentile_intervals, resampled_scores
from ambiser.scoring.evaluation import evaluate, rounded
from ambiser.scoring.ground_distance import ground_distance
from ambiser.scoring.group_masks import confidence_masks, level_masks, level_names
from ambiser.scoring.groups import Fold
from ambiser.scoring.metrics import score_all
from ambiser.scoring.score_names import METRICS
from ambiser.scoring.seed_scores import pool_folds

ARRAYS = ("probs", "soft", "hard", "counts")


def make_fold(arrays, *, prefix="", speakers=4, prior=None):
    n = len(arrays["hard"])
    top = arrays["counts"].max(axis=1)
    kind = np.where(arrays["hard"] < 0, 2, np.where(top == arrays["counts"].sum(axis=1), 0, 1))
    names = np.array([f"{prefix}{i % speakers}" for i in range(n)])
    prior = arrays["soft"].mean(axis=0) if prior is None else prior
    return Fold(**arrays, kind=kind, speakers=names, prior=prior, majority=int(prior.argmax()))


@pytest.fixture
def folds(votes_and_predictions):
    return {k: make_fold(votes_and_predictions(60 + k, seed=k), prefix=f"s{k}") for k in (1, 2, 3)}


@pytest.fixture
def results(folds):
    return evaluate(folds, bins=10, levels=[0.0, 0.95], resamples=200)


def _pooled(folds):
    return {name: np.concatenate([getattr(fold, name) for fold in folds.values()]) for name in ARRAYS}


def test_pooled_and_fold_scores_are_those_of_the_metrics(folds, results):
    expected = score_all(**_pooled(folds), bins=10)
    assert results.pooled.scores == {name: pytest.approx(value, abs=1e-6) for name, value in expected.items()}
    assert results.pooled.utterances == 61 + 62 + 63 and results.pooled.speakers == 12
    second = score_all(**{name: getattr(folds[2], name) for name in ARRAYS}, bins=10)
    assert results.folds[2].scores == {name: pytest.approx(value, abs=1e-6) for name, value in second.items()}


def test_mean_and_deviation_over_folds(results):
    accuracies = [fold.scores["accuracy"] for fold in results.folds.values()]
    assert results.over_folds["accuracy"].mean == pytest.approx(np.mean(accuracies), abs=2e-6)
    assert results.over_folds["accuracy"].deviation == pytest.approx(np.std(accuracies, ddof=1), abs=2e-6)
    assert results.over_folds["accuracy"].folds == 3


def test_one_fold_has_no_deviation(folds):
    results = evaluate({1: folds[1]}, bins=10, levels=[0.5], resamples=0)
    assert results.over_folds["accuracy"].deviation is None
    assert set(results.pooled.intervals.values()) == {None}, "no resamples, no intervals"


def test_levels_and_kinds_split_the_utterances(folds, results):
    pool = _pooled(folds)
    entropy = entropy_bits(pool["soft"])
    sizes = {level.name: level.utterances for level in results.levels}
    assert sizes == {
        "low": (entropy == 0).sum(),
        "medium": ((entropy > 0) & (entropy <= 0.95)).sum(),
        "high": (entropy > 0.95).sum(),
    }
    kinds = {kind.name: kind.utterances for kind in results.kinds}
    assert sum(kinds.values()) == len(entropy) and kinds["no majority"] == (pool["hard"] < 0).sum()
    high = {name: pool[name][entropy > 0.95] for name in ARRAYS}
    assert results.levels[2].scores["bc"] == pytest.approx(score_all(**high, bins=10)["bc"], abs=1e-6)
    assert results.kinds[-1].scores["accuracy"] is None, "no majority, no reference"


def test_a_level_without_utterances_is_shown_as_undefined(folds):
    results = evaluate(folds, bins=10, levels=[0.0, 2.0], resamples=20)
    empty = results.levels[2]
    assert empty.utterances == 0 and set(empty.scores.values()) == {None}
    assert set(empty.intervals.values()) == {None} and empty.floors["prior"]["bc"] is None


def test_an_entropy_belongs_to_the_level_whose_bound_it_equals_up_to_rounding():
    voted = np.array([0.0, 0.5, 0.5 + 1e-12, 0.55, 1.0, 1.5])
    masks = [mask.tolist() for mask, _ in level_masks(voted, [0.5, 1.0])]
    assert masks == [[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 0], [0, 0, 0, 0, 0, 1]]


def test_level_names_for_any_number_of_borders():
    assert level_names([0.0, 0.95]) == ["low", "medium", "high"]
    assert level_names([1.0]) == ["H <= 1", "H > 1"]
    assert level_names([0.0, 0.5, 1.0]) == ["H <= 0", "0 < H <= 0.5", "0.5 < H <= 1", "H > 1"]


def test_floors_use_the_prior_of_each_fold_s_training_part(votes_and_predictions):
    arrays = votes_and_predictions(50)
    priors = [np.array([0.7, 0.1, 0.1, 0.1]), np.array([0.1, 0.1, 0.1, 0.7])]
    folds = {k + 1: make_fold(arrays, prefix=str(k), prior=prior) for k, prior in enumerate(priors)}
    floors = evaluate(folds, bins=10, levels=[0.0, 0.95], resamples=0).pooled.floors
    by_hand = np.mean([np.sqrt(arrays["soft"] * prior).sum(axis=1).mean() for prior in priors])
    assert floors["prior"]["bc"] == pytest.approx(by_hand, abs=1e-6)
    assert floors["uniform"]["bc"] == pytest.approx(np.sqrt(arrays["soft"] / 4).sum(axis=1).mean(), abs=1e-6)
    known = arrays["hard"][arrays["hard"] >= 0]
    expected = (np.mean(known == 0) + np.mean(known == 3)) / 2
    assert floors["majority"]["accuracy"] == pytest.approx(expected, abs=1e-6)
    assert floors["majority"]["ua"] == pytest.approx(0.25, abs=0.2) and floors["majority"]["bc"] is None
    assert floors["uniform"]["accuracy"] is None and floors["uniform"]["no_majority_auroc"] is None


def test_intervals_are_the_bootstrap_s_and_hold_the_score(folds, results):
    pool = _pooled(folds)
    speakers = np.concatenate([fold.speakers for fold in folds.values()])
    names, speaker = np.unique(speakers, return_inverse=True)
    drawn = draw_speakers(len(names), 200, seed=0)
    expected = percentile_intervals(resampled_scores(**pool, speaker=speaker, drawn=drawn, bins=10), 0.95)
    for name in METRICS:
        assert results.pooled.intervals[name] == pytest.approx(expected[name], abs=1e-6), name
    low, high = results.pooled.intervals["accuracy"]
    assert low < results.pooled.scores["accuracy"] < high


def test_one_speaker_has_no_interval(votes_and_predictions):
    results = evaluate({1: make_fold(votes_and_predictions(30), speakers=1)}, bins=10, levels=[0.0, 0.95])
    assert set(results.pooled.intervals.values()) == {None}


def test_confusion_reliability_classes_and_entropies_count_every_utterance(folds, results):
    pool = _pooled(folds)
    known = pool["hard"] >= 0
    assert np.sum(results.confusion) == known.sum() == np.sum(results.reliability.count)
    support = [int((pool["hard"] == c).sum()) for c in range(4)]
    assert results.per_class.support == support
    recall = [np.mean(pool["probs"].argmax(axis=1)[pool["hard"] == c] == c) for c in range(4)]
    assert results.per_class.recall == pytest.approx(recall, abs=1e-6)
    assert np.mean(recall) == pytest.approx(results.pooled.scores["ua"], abs=1e-6)
    assert np.sum(results.entropy.counts) == len(known)


def test_the_results_are_json_and_the_same_every_time(folds, results):
    again = evaluate(folds, bins=10, levels=[0.0, 0.95], resamples=200)
    assert json.dumps(to_json(results), allow_nan=False) == json.dumps(to_json(again), allow_nan=False)


def test_rounding_turns_undefined_numbers_into_none():
    value = rounded({"a": np.array([1.0, np.nan]), "b": (np.int64(3), np.inf), 4: 1 / 3, "t": True})
    assert value == {"a": [1.0, None], "b": [3, None], 4: 0.333333, "t": True}


def test_genders_speakers_and_classes_are_scored_each(folds):
    genders = {k: np.where(np.arange(len(fold.hard)) % 4 < 2, "f", "m") for k, fold in folds.items()}
    folds = {k: replace(fold, genders=genders[k], train_utterances=100 + k) for k, fold in folds.items()}
    results = evaluate(folds, bins=10, levels=[0.0, 0.95], resamples=50)
    pool = _pooled(folds)
    women = np.concatenate(list(genders.values())) == "f"
    assert [group.name for group in results.genders] == ["f", "m"]
    expected = score_all(**{name: values[women] for name, values in pool.items()}, bins=10)
    assert results.genders[0].scores["bc"] == pytest.approx(expected["bc"], abs=1e-6)
    assert results.folds[2].train_utterances == 102
    speakers = np.concatenate([fold.speakers for fold in folds.values()])
    assert list(results.per_speaker) == sorted(set(speakers))
    one = {name: values[speakers == "s21"] for name, values in pool.items()}
    mine, slow = results.per_speaker["s21"], score_all(**one, bins=10)
    assert mine.utterances == (speakers == "s21").sum()
    assert all(getattr(mine, name) == pytest.approx(slow[name], abs=1e-6) for name in ("accuracy", "bc", "jsd_bits"))
    by_class = results.per_class
    assert np.mean(by_class.multilabel_f1) == pytest.approx(results.pooled.scores["multilabel_macro_f1"], abs=2e-6)
    assert np.mean(by_class.r2_determination) == pytest.approx(results.pooled.scores["r2_determination"], abs=2e-6)
    assert by_class.voted_share == pytest.approx(pool["soft"].mean(axis=0), abs=1e-6)


def test_bca_intervals_can_be_asked_for_and_hold_the_score(folds):
    plain_ones = evaluate(folds, bins=10, levels=[0.0, 0.95], resamples=200).pooled
    results = evaluate(folds, bins=10, levels=[0.0, 0.95], resamples=200, interval="bca")
    low, high = results.pooled.intervals["r2_determination"]
    assert low < results.pooled.scores["r2_determination"] < high
    assert [low, high] != plain_ones.intervals["r2_determination"]
    assert results.bootstrap.interval == "bca"


def test_an_utterance_in_two_folds_is_refused(votes_and_predictions):
    fold = replace(make_fold(votes_and_predictions(3)), utts=np.array(["a", "b", "c"]))
    other = replace(fold, utts=np.array(["d", "b", "e"]))
    with pytest.raises(DataError, match="fold 2: 'b' is scored in fold 1 too"):
        evaluate({1: fold, 2: other}, bins=10, levels=[0.5], resamples=0)


def test_distances_between_classes_reach_scores_floors_and_intervals(folds):
    ground = ground_distance({"a": [0, 0], "b": [1, 0.5], "c": [-1, 1], "d": [-1, -0.5]}, "abcd")
    placed = {number: replace(fold, ground=ground) for number, fold in folds.items()}
    with_ground, without = (evaluate(x, bins=10, levels=[0.5], resamples=50).pooled for x in (placed, folds))
    for name in ("wasserstein", "absolute_distance"):
        assert with_ground.scores[name] < without.scores[name], "the largest distance is 1"
        assert with_ground.floors["prior"][name] < without.floors["prior"][name]
        assert with_ground.intervals[name][0] < with_ground.scores[name] < with_ground.intervals[name][1]
    assert with_ground.floors["uniform"]["wasserstein"] < without.floors["uniform"]["wasserstein"]


def test_quarters_by_confidence_span_zero_to_one_and_rise(folds):
    pool = pool_folds(folds, bins=10)
    masks = confidence_masks(pool)
    names = [name for name, _ in masks]
    assert len(names) == 4 and names[0].startswith("0.00 to ") and names[-1].endswith(" to 1.00")
    quarters = [pool.probs[mask].max(axis=1) for _, mask in masks]
    assert all(low.max() < high.min() for low, high in pairwise(quarters))
    assert max(map(len, quarters)) - min(map(len, quarters)) <= 1 and sum(map(len, quarters)) == len(pool.probs)
