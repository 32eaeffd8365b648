import numpy as np
import pytest
import scipy.stats

from ambiser.scoring import bootstrap, rank_scores
from ambiser.scoring.bootstrap import (
    bca_intervals,
    draw_speakers,
    leave_one_out,
    percentile_intervals,
    resampled_scores,
)
from ambiser.scoring.ground_distance import ground_distance
from ambiser.scoring.metrics import score_all
from ambiser.scoring.rank_scores import RANK_SCORES
from ambiser.scoring.score_names import METRICS
from ambiser.scoring.speaker_ranks import sums_are_cheaper

ARRAYS = ("probs", "soft", "hard", "counts")


def _repeat(arrays, speaker, times):
    rows = np.concatenate([np.repeat(np.flatnonzero(speaker == s), n) for s, n in enumerate(times)])
    return {name: arrays[name][rows] for name in ARRAYS}


def test_a_resample_equals_scoring_the_repeated_utterances(votes_and_predictions):
    arrays = votes_and_predictions(120, seed=3)
    speaker = np.arange(120) % 7
    drawn = draw_speakers(7, 8, seed=1)
    ground = ground_distance({"a": [0, 0], "b": [1, 0.5], "c": [-1, 1], "d": [-1, -0.5]}, "abcd")
    resampled = resampled_scores(**arrays, speaker=speaker, drawn=drawn, bins=10, ground=ground)
    assert set(resampled) == set(METRICS)
    for i, times in enumerate(drawn):
        slow = score_all(**_repeat(arrays, speaker, times), bins=10, ground=ground)
        for name in METRICS:
            assert resampled[name][i] == pytest.approx(slow[name], abs=1e-9), name


def test_ranks_are_left_out_where_no_score_of_ranks_is_wanted(votes_and_predictions, monkeypatch):
    arrays = votes_and_predictions(60)
    more = {"speaker": np.arange(60) % 5, "drawn": draw_speakers(5, 3, seed=0), "bins": 10}
    everything = resampled_scores(**arrays, **more)
    wanted = resampled_scores(**arrays, **more, wanted=["bc", "no_majority_auroc"])
    assert wanted.keys() == everything.keys()
    monkeypatch.setattr(bootstrap, "rank_scores", None)
    fewer = resampled_scores(**arrays, **more, wanted=["bc", "macro_auroc"])
    assert set(METRICS) - fewer.keys() == set(RANK_SCORES)
    assert all((fewer[name] == everything[name]).all() for name in ("bc", "macro_auroc", "ece"))


def test_tied_predictions_are_ranked_as_in_slow_scoring(votes_and_predictions):
    arrays = votes_and_predictions(90, seed=8)
    arrays["probs"] = arrays["probs"][np.arange(90) % 12]
    speaker = np.arange(90) % 5
    drawn = draw_speakers(5, 6, seed=2)
    resampled = resampled_scores(**arrays, speaker=speaker, drawn=drawn, bins=10)
    for i, times in enumerate(drawn):
        slow = score_all(**_repeat(arrays, speaker, times), bins=10)
        for name in ("entropy_correlation", "no_majority_auroc", "no_majority_aupr", "macro_auroc"):
            assert resampled[name][i] == pytest.approx(slow[name], abs=1e-9), name


@pytest.mark.parametrize(
    ("module", "limit", "value"),
    [
        (rank_scores, "pairs_are_cheaper", lambda *_: False),
        (rank_scores, "LEVEL_CELLS", 30),
        (rank_scores, "CELLS", 100),
        (bootstrap, "BLOCK_CELLS", 10),
    ],
)
def test_scores_are_the_same_with_less_memory(votes_and_predictions, monkeypatch, module, limit, value):
    arrays = votes_and_predictions(90, seed=8)
    arrays["probs"][:60] = arrays["probs"][np.arange(60) % 12]  # ties, also between positives and negatives
    arrays |= {"speaker": np.arange(90) % 5, "drawn": draw_speakers(5, 7, seed=2)}
    arrays["drawn"][0] = [90, 0, 0, 0, 0]
    monkeypatch.setattr(rank_scores, "pairs_are_cheaper", lambda *_: True)
    usual = resampled_scores(**arrays, bins=10)
    monkeypatch.setattr(module, limit, value)
    other = resampled_scores(**arrays, bins=10)
    for name in METRICS:
        np.testing.assert_allclose(other[name], usual[name], rtol=1e-12, atol=1e-14, err_msg=name)
    if module is rank_scores:
        assert other["macro_auroc"].tobytes() == usual["macro_auroc"].tobytes()


def test_pairs_are_counted_where_speakers_are_few():
    assert rank_scores.pairs_are_cheaper(5531, 1000, 10) and rank_scores.pairs_are_cheaper(46_000, 10_000, 1500)
    assert not rank_scores.pairs_are_cheaper(460_000, 10_000, 15_000) and not rank_scores.pairs_are_cheaper(500, 1, 20)


def test_sums_over_speakers_give_the_rank_scores_bit_by_bit(monkeypatch):
    rng = np.random.default_rng(4)
    for predicted in (rng.random(80), rng.integers(0, 6, 80) / 7, np.full(80, 0.5)):
        arrays = {"voted": rng.integers(0, 4, 80) / 3, "predicted": predicted, "without": rng.random(80) < 0.2}
        drawn = draw_speakers(6, 40, seed=2)
        drawn[:3] = [[1] * 6, [6, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 6]]
        both = []
        for cheaper in (True, False):
            monkeypatch.setattr(rank_scores, "sums_are_cheaper", lambda *_, cheaper=cheaper: cheaper)
            both.append(rank_scores.rank_scores(**arrays, speaker=np.arange(80) % 5, drawn=drawn))
        for name in RANK_SCORES:
            assert both[0][name].tobytes() == both[1][name].tobytes(), name
        assert np.isfinite(both[0]["entropy_correlation"]).any() == (np.ptp(predicted) > 0)


def test_sums_over_speakers_are_for_few_speakers_and_many_resamples():
    cheaper = sums_are_cheaper
    assert cheaper(5531, 1000, 10) and cheaper(1440, 1000, 24)
    assert not cheaper(7442, 1000, 91) and not cheaper(5531, 1, 10) and not cheaper(60, 1000, 10)


def test_bca_agrees_with_scipy_and_differs_from_the_percentiles():
    rng = np.random.default_rng(3)
    values = rng.exponential(size=40)
    drawn, left = draw_speakers(40, 20000, seed=1), leave_one_out(40)
    means = {"m": drawn @ values / 40}
    jackknife = {"m": left @ values / 39}
    low, high = bca_intervals(means, 0.95, scores={"m": values.mean()}, jackknife=jackknife)["m"]
    theirs = scipy.stats.bootstrap((values,), np.mean, n_resamples=20000, method="BCa", rng=7).confidence_interval
    assert [low, high] == pytest.approx([theirs.low, theirs.high], rel=0.01)
    plain = percentile_intervals(means, 0.95)["m"]
    assert low > plain[0] and high > plain[1], "the skewed tail is longer"


def test_bca_without_a_jackknife_or_a_score_falls_back():
    values = {"a": np.arange(101.0), "b": np.arange(101.0)}
    jackknife = {"a": np.array([np.nan, 1.0]), "b": np.array([1.0, 2.0])}
    intervals = bca_intervals(values, 0.95, scores={"a": 50.0, "b": None}, jackknife=jackknife)
    assert intervals == {"a": pytest.approx([2.5, 97.5]), "b": None}


def test_undefined_resamples_are_nan_as_in_slow_scoring(votes_and_predictions):
    arrays = votes_and_predictions(30, seed=5)
    arrays["hard"] = np.where(np.arange(30) < 10, 0, np.where(np.arange(30) < 20, -1, arrays["hard"]))
    speaker = np.repeat([0, 1, 2], 10)
    drawn = np.array([[3, 0, 0], [0, 3, 0], [1, 2, 0], [0, 0, 0]])
    resampled = resampled_scores(**arrays, speaker=speaker, drawn=drawn, bins=5)
    for i, times in enumerate(drawn):
        slow = score_all(**_repeat(arrays, speaker, times), bins=5)
        for name in METRICS:
            expected = np.nan if slow[name] is None else slow[name]
            assert resampled[name][i] == pytest.approx(expected, abs=1e-9, nan_ok=True), (i, name)


def test_the_draw_has_the_right_size_and_depends_on_the_seed_alone():
    drawn = draw_speakers(10, 500, seed=4)
    assert drawn.shape == (500, 10) and (drawn.sum(axis=1) == 10).all()
    assert (drawn == draw_speakers(10, 500, seed=4)).all() and (drawn != draw_speakers(10, 500, seed=5)).any()


def test_percentiles_of_known_values_and_none_where_too_much_is_undefined():
    values = np.arange(101.0)
    mostly = values.copy()
    mostly[:10] = np.nan
    intervals = percentile_intervals({"a": values, "b": mostly, "c": values[:1]}, 0.95)
    assert intervals["a"] == pytest.approx([2.5, 97.5])
    assert intervals["b"] is None and intervals["c"] is None
    edges = {missing: np.where(np.arange(100) < missing, np.nan, 1.0) for missing in (5, 6)}
    assert percentile_intervals(edges, 0.95) == {5: [1.0, 1.0], 6: None}


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(0)
    covered = []
    for trial in range(60):
        skill = rng.normal(0.6, 0.08, size=40)
        speaker = np.repeat(np.arange(40), 10)
        right = rng.random(400) < skill[speaker]
        probs = np.where(right[:, None], [0.9, 0.1], [0.1, 0.9])
        arrays = {"probs": probs, "soft": np.tile([1.0, 0.0], (400, 1)), "hard": np.zeros(400, dtype=int)}
        drawn = draw_speakers(40, 300, seed=trial)
        values = resampled_scores(**arrays, counts=arrays["soft"], speaker=speaker, drawn=drawn, bins=10)
        low, high = percentile_intervals({"accuracy": values["accuracy"]}, 0.95)["accuracy"]
        covered.append(low <= 0.6 <= high)
    assert 0.83 <= np.mean(covered) <= 1.0


@pytest.mark.parametrize("cheaper", [False, True])
def test_one_utterance_without_a_majority_and_one_with_have_an_area(monkeypatch, cheaper):
    monkeypatch.setattr(rank_scores, "sums_are_cheaper", lambda *_: cheaper)
    arrays = {"voted": np.array([1.0, 0.5]), "predicted": np.array([0.9, 0.1]), "without": np.array([True, False])}
    found = rank_scores.rank_scores(**arrays, speaker=np.arange(2), drawn=np.array([[1, 1], [2, 0]]))
    assert {name: values[0] for name, values in found.items()} == pytest.approx(dict.fromkeys(RANK_SCORES, 1.0))
    assert all(np.isnan(values[1]) for values in found.values())
