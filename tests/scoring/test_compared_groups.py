"""Comparisons by class, level, kind, gender and confidence, against slow loops over the resamples."""

import csv
import io

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, r2_score, recall_score, roc_auc_score

from ambiser.errors import DataError
from ambiser.labels.entropy import entropy_bits
from ambiser.report.comparison_tables import render_comparison
from ambiser.scoring.bootstrap import draw_speakers
from ambiser.scoring.comparison import Contender, Difference, compare, correct
from ambiser.scoring.groups import Fold
from ambiser.scoring.metrics import score_all
from ambiser.scoring.significance import holm, smallest_p
from ambiser.scoring.utterance_scores import bhattacharyya, jsd_bits

RESAMPLES = 10
SPEAKERS = 9


def _fold(draw, seed, system, size=70):
    """Returns a fold whose votes depend on the seed alone and whose predictions depend on the system too."""
    arrays = draw(size, seed=seed)
    noise = np.random.default_rng([seed, system]).dirichlet(np.ones(4), size=size)
    kind = np.where(arrays["hard"] < 0, 2, np.where(arrays["counts"].max(axis=1) == 3, 0, 1))
    return Fold(
        **(arrays | {"probs": 0.5 * arrays["probs"] + 0.5 * noise}),
        kind=kind,
        speakers=np.array([f"s{(7 * i + seed) % SPEAKERS}" for i in range(size)]),
        prior=np.full(4, 0.25),
        majority=0,
        train_utterances=140,
        genders=np.array(["f" if (7 * i + seed) % SPEAKERS % 2 else "m" for i in range(size)]),
    )


@pytest.fixture
def contenders(votes_and_predictions, make_results):
    """Two systems with two seeds and two folds each, on the same votes."""
    made = []
    for system, name in enumerate(("ce-fbank", "jsd-fbank")):
        results = [make_results(name, seed=seed) for seed in (1, 2)]
        runs = [{k: _fold(votes_and_predictions, k, 10 * seed + system) for k in (1, 2)} for seed in (1, 2)]
        made.append(Contender(name, results, runs, None))
    return made


def _class_by_hand(label, probs, soft, hard):
    known, guess = hard >= 0, probs.argmax(axis=1)
    truth, said, own = hard[known] == label, guess[known] == label, hard == label
    undefined = {"recall": not truth.any(), "precision": not said.any(), "f1": not (truth | said).any()}
    return {
        "recall": np.nan if undefined["recall"] else recall_score(truth, said),
        "precision": np.nan if undefined["precision"] else precision_score(truth, said),
        "f1": np.nan if undefined["f1"] else f1_score(truth, said),
        "auroc": np.nan if len(set(truth)) < 2 else roc_auc_score(truth, probs[known, label]),
        "bc": bhattacharyya(probs, soft)[own].mean() if own.any() else np.nan,
        "jsd_bits": jsd_bits(probs, soft)[own].mean() if own.any() else np.nan,
        "r2_determination": r2_score(soft[:, label], probs[:, label]) if np.ptp(soft[:, label]) > 0 else np.nan,
    }


def _masks(by, folds):
    soft, kind, hard, genders = (
        np.concatenate([getattr(fold, name) for fold in folds]) for name in ("soft", "kind", "hard", "genders")
    )
    voted = entropy_bits(soft)
    return {
        "level": {"low": voted <= 1e-9, "medium": (voted > 1e-9) & (voted <= 0.95), "high": voted > 0.95},
        "kind": {"precise": (kind == 0) & (hard >= 0), "ambiguous": kind == 1, "no majority": hard < 0},
        "gender": {"f": genders == "f", "m": genders == "m"},
    }[by]


def _by_hand(contender, by, group, times):
    """Scores a group in one resample, every utterance as often as its speaker was drawn; the mean over seeds."""
    found = []
    for folds in contender.runs:
        folds = list(folds.values())
        arrays = {
            name: np.concatenate([getattr(fold, name) for fold in folds])
            for name in ("probs", "soft", "hard", "counts", "speakers")
        }
        mask = np.ones(len(arrays["hard"]), dtype=bool) if by == "class" else _masks(by, folds)[group]
        names = sorted(set(arrays["speakers"]))
        rows = [i for i in np.flatnonzero(mask) for _ in range(times[names.index(arrays["speakers"][i])])]
        if by == "class":
            chosen = {name: arrays[name][rows] for name in ("probs", "soft", "hard")}
            found.append(_class_by_hand("abcd".index(group), **chosen))
        else:
            chosen = {name: arrays[name][rows] for name in ("probs", "soft", "hard", "counts")}
            found.append({k: np.nan if v is None else v for k, v in score_all(**chosen, bins=10).items()})
    return {metric: np.mean([one[metric] for one in found]) for metric in found[0]}


@pytest.mark.parametrize("by", ["class", "level", "kind", "gender"])
def test_differences_by_group_are_those_of_a_slow_loop(contenders, by):
    comparison = compare(contenders, bins=10, resamples=RESAMPLES, by=by)
    assert {row.group for row in comparison.differences} == {group.name for group in comparison.groups}
    drawn = draw_speakers(SPEAKERS, RESAMPLES, 0)
    for group in comparison.groups:
        once = [_by_hand(one, by, group.name, np.ones(SPEAKERS, dtype=int)) for one in contenders]
        with np.errstate(invalid="ignore"):
            pairs = [[_by_hand(one, by, group.name, times) for one in contenders] for times in drawn]
        rows = [row for row in comparison.differences if row.group == group.name]
        assert rows
        for row in rows:
            assert row.base_score == pytest.approx(once[0][row.metric], abs=1e-9)
            assert row.value == pytest.approx(once[1][row.metric] - once[0][row.metric], abs=1e-9)
            gaps = np.array([other[row.metric] - base[row.metric] for base, other in pairs])
            gaps = gaps[np.isfinite(gaps)]
            if len(gaps) < 0.95 * RESAMPLES:
                assert row.interval is None and row.p is None
            else:
                assert row.interval == pytest.approx(np.percentile(gaps, [2.5, 97.5]), abs=1e-9)
                assert row.p is not None


def test_scores_that_a_group_cannot_have_are_left_out(contenders):
    rows = compare(contenders, bins=10, resamples=RESAMPLES, by="kind", metrics=["accuracy", "bc"]).differences
    found = {(row.group, row.metric) for row in rows}
    assert ("no majority", "bc") in found and ("no majority", "accuracy") not in found


def test_by_confidence_all_systems_are_compared_on_the_quarters_of_the_first_one(contenders):
    comparison = compare(contenders, bins=10, resamples=RESAMPLES, by="confidence", metrics=["accuracy"])
    runs = [[_pooled(folds) for folds in one.runs] for one in contenders]
    quarters = np.array_split(np.argsort(runs[0][0][0].max(axis=1)), 4)
    assert [group.utterances for group in comparison.groups] == [len(rows) for rows in quarters] == [35] * 4
    for row, rows in zip(comparison.differences, quarters, strict=True):
        once = [np.mean([_accuracy(probs[rows], hard[rows]) for probs, hard in seeds]) for seeds in runs]
        assert (row.base_score, row.value) == pytest.approx((once[0], once[1] - once[0]))


def _pooled(folds):
    return [np.concatenate([getattr(fold, name) for fold in folds.values()]) for name in ("probs", "hard")]


def _accuracy(probs, hard):
    return (probs.argmax(axis=1) == hard)[hard >= 0].mean()


def test_a_corpus_with_one_gender_is_refused_by_gender(contenders):
    for one in contenders:
        for folds in one.runs:
            for fold in folds.values():
                fold.genders[:] = "f"
    with pytest.raises(DataError, match="--by gender: the corpus does not tell two genders"):
        compare(contenders, bins=10, resamples=RESAMPLES, by="gender")


def test_every_form_of_a_comparison_by_class_has_every_row(contenders):
    comparison = compare(contenders, bins=10, resamples=RESAMPLES, by="class")
    rows = list(csv.DictReader(io.StringIO(render_comparison(comparison, "csv"))))
    assert len(rows) == 4 * 7 and {row["group"] for row in rows} == set("abcd")
    text, markdown, latex = (render_comparison(comparison, form) for form in ("text", "markdown", "latex"))
    assert "class  score" in text and "| class | score" in markdown
    assert "class & score & first & system & difference & 95 \\% interval" in latex and "a & recall & " in latex
    for row in rows:
        shown = f"{float(row['difference']):+.3f}"
        assert shown in text and shown in markdown and shown.replace("+", "$+$").replace("-", "$-$") in latex
    assert sum(line.startswith("| c ") for line in markdown.splitlines()) == 7
    assert latex.count("{") == latex.count("}") and latex.count("\\toprule") == 1
    assert "over the utterances whose reference it is" in text


def _row(metric, p, other="x"):
    return Difference("base", other, metric, 0.5, 0.6, [0.0, 0.2], p, None, None, 0)


def test_each_family_is_corrected_on_its_own_and_the_rest_is_one_more():
    chances = {"accuracy": 0.02, "ua": 0.01, "bc": 0.03, "ece": 0.04}
    rows = [_row(metric, p) for metric, p in chances.items()]
    whole, (family,) = correct(rows, [])
    assert [row.p_holm for row in whole] == holm(list(chances.values())) and family.comparisons == 4
    parts, families = correct(rows, [["ua", "accuracy"]])
    assert [row.p_holm for row in parts] == pytest.approx([0.02, 0.02, 0.06, 0.06])
    assert [(one.scores, one.comparisons) for one in families] == [(("ua", "accuracy"), 2), (("bc", "ece"), 2)]
    without, families = correct([*rows, _row("f", None)], [["f"]])
    assert without[-1].p_holm is None and families[0].comparisons == 0


def test_the_note_tells_when_nothing_can_be_significant(contenders):
    assert smallest_p(999, 4) == pytest.approx(0.008) and smallest_p(9, 100) == 1
    few = render_comparison(compare(contenders, bins=10, resamples=RESAMPLES, metrics=["bc", "ua"]), "text")
    assert "2 comparisons and 10 resamples, so the smallest possible value is 0.3636: nothing can be" in few
    many = render_comparison(compare(contenders, bins=10, resamples=999, metrics=["bc", "ua"]), "text")
    assert "so the smallest possible value is 0.0040\n" in many
