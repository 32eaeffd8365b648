"""Computes all scores of results.json from predictions and votes."""

from collections.abc import Mapping
from dataclasses import is_dataclass, replace

import numpy as np

from ambiser.labels.entropy import entropy_bits
from ambiser.scoring.calibration import Calibration
from ambiser.scoring.group_masks import gender_masks, kind_masks, level_masks
from ambiser.scoring.groups import INTERVAL_LEVEL, Fold, PooledFolds, Resampling
from ambiser.scoring.metrics import above_uniform, class_aurocs, confusion_counts
from ambiser.scoring.reliability import reliability_bins
from ambiser.scoring.results import (
    AllScores,
    Bootstrap,
    ClassScores,
    EntropyTable,
    FittedCalibration,
    FoldGroup,
    LevelGroup,
    NamedGroup,
    OverFolds,
    Reliability,
    ScaleAndBias,
    SpeakerScores,
)
from ambiser.scoring.score_names import METRICS, Scores
from ambiser.scoring.set_results import PredictionSets
from ambiser.scoring.set_scores import score_sets
from ambiser.scoring.utterance_scores import utterance_scores

RESAMPLES = 1000
DIGITS = 6
ENTROPY_CELLS = 10
SPEAKER_SCORES = ("bc", "jsd_bits", "r2_pearson")


def evaluate(
    folds: Mapping[int, Fold],
    *,
    bins: int,
    levels: list[float],
    resamples: int = RESAMPLES,
    seed: int = 0,
    interval: str = "percentile",
    sets_by: str = "votes",
) -> AllScores:
    """Scores one experiment with one seed; scores are rounded to six digits, undefined ones are None.

    Args:
        folds: by number; no utterance in two of them.
        bins: of the calibration error and the reliability diagram.
        levels: upper entropies in bits of the levels of ambiguity below the highest, rising.
        resamples: of the speakers, for the intervals; 0 for none.
        seed: of the resamples; the same for all systems, so that they can be compared in pairs.
        interval: percentile or bca.
        sets_by: calibration of the prediction sets that predictions use.
    """
    pool = PooledFolds(folds, Resampling(resamples, seed, interval), bins)
    voted = entropy_bits(pool.soft)  # (N,)
    per_fold = {number: _fold_group(pool, number, fold) for number, fold in folds.items()}
    scores = AllScores(
        pooled=pool.group(np.ones(len(voted), dtype=bool)),
        folds=per_fold,
        over_folds=_over_folds([group.scores for group in per_fold.values()]),
        levels=[LevelGroup(**vars(pool.group(mask)), **about) for mask, about in level_masks(voted, levels)],
        kinds=[NamedGroup(**vars(pool.group(mask)), name=name) for name, mask in kind_masks(pool) if mask.any()],
        genders=[NamedGroup(**vars(pool.group(mask)), name=name) for name, mask in gender_masks(pool)],
        per_speaker=_per_speaker(pool),
        per_class=_per_class(pool),
        confusion=confusion_counts(pool.probs.argmax(axis=1), pool.hard, pool.classes),
        reliability=Reliability(**reliability_bins(pool.probs, pool.hard, bins)),
        entropy=_entropy_table(voted, entropy_bits(pool.probs), pool.classes),
        bootstrap=Bootstrap(resamples, INTERVAL_LEVEL, seed, unit="speaker", interval=interval),
        sets=_sets(pool, folds, level_masks(voted, levels), sets_by),
    )
    return rounded(scores)


def describe_calibration(
    kind: str, fitted: Mapping[int, tuple[Calibration, Fold] | None], *, bins: int
) -> FittedCalibration | None:
    """Returns what was fitted on the dev part of each fold, and the pooled scores before it; None where nothing was.

    Args:
        kind: temperature or vector.
        fitted: by fold, the calibration and the fold with the probabilities before it.
        bins: of the calibration error.
    """
    known = {number: pair for number, pair in fitted.items() if pair is not None}
    if not known:
        return None
    before = PooledFolds({number: fold for number, (_, fold) in known.items()}, Resampling(0, 0, "percentile"), bins)
    everything = np.ones(len(before.hard), dtype=bool)
    described = FittedCalibration(
        kind=kind,
        before=before.group(everything, intervals=False).scores,
        fitted_on="dev",
        folds={number: ScaleAndBias(one.scale, one.bias) for number, (one, _) in known.items()},
    )
    return rounded(described)


def rounded(value: object) -> object:
    """Returns arrays as lists, floats rounded to six digits, and NaN and infinity as None, in dataclasses too."""
    if is_dataclass(value):
        return replace(value, **{name: rounded(item) for name, item in vars(value).items()})
    if isinstance(value, Mapping):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return rounded(value.tolist())
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    if isinstance(value, float | np.floating):
        return round(float(value), DIGITS) + 0.0 if np.isfinite(value) else None  # + 0.0 turns -0.0 into 0.0
    return int(value) if isinstance(value, np.integer) else value


def _sets(pool: PooledFolds, folds: Mapping[int, Fold], levels: list, used: str) -> PredictionSets | None:
    """Returns the scores of the prediction sets, None where a fold has none."""
    if any(fold.sets is None for fold in folds.values()):
        return None
    by_fold = {number: fold.sets for number, fold in folds.items()}
    return score_sets(pool, by_fold, levels, used=used, interval_level=INTERVAL_LEVEL)


def _fold_group(pool: PooledFolds, number: int, fold: Fold) -> FoldGroup:
    group = pool.group(pool.fold == number, intervals=False)
    return FoldGroup(**vars(group), train_utterances=fold.train_utterances)


def _over_folds(scores: list[Scores]) -> dict[str, OverFolds]:
    table = {}
    for name in METRICS:
        values = [fold[name] for fold in scores if fold[name] is not None]
        table[name] = OverFolds(
            mean=float(np.mean(values)) if values else None,
            deviation=float(np.std(values, ddof=1)) if len(values) > 1 else None,
            folds=len(values),
        )
    return table


def _per_speaker(pool: PooledFolds) -> dict[str, SpeakerScores]:
    """Returns utterances, accuracy and means over utterances of every speaker."""
    each = utterance_scores(pool.probs, pool.soft)
    right, known = pool.probs.argmax(axis=1) == pool.hard, pool.hard >= 0
    size, with_reference, hits = (np.bincount(pool.speaker, weights=w) for w in (known * 0 + 1, known, right))
    means = {name: np.bincount(pool.speaker, weights=each[name]) / size for name in SPEAKER_SCORES}
    with np.errstate(invalid="ignore"):
        means = {"accuracy": hits / with_reference} | means
    return {
        str(speaker): SpeakerScores(int(size[i]), **{name: values[i] for name, values in means.items()})
        for i, speaker in enumerate(pool.names)
    }


def _per_class(pool: PooledFolds) -> ClassScores:
    """Returns the scores of every class, by its references and by its vote shares; NaN for a share of nothing."""
    confusion = confusion_counts(pool.probs.argmax(axis=1), pool.hard, pool.classes).astype(float)  # (C, C)
    right, support, guessed = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)  # (C,) each
    voted, said = above_uniform(pool.soft), above_uniform(pool.probs)  # (N, C)
    spread = ((pool.soft - pool.soft.mean(axis=0)) ** 2).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return ClassScores(
            precision=right / guessed,
            recall=right / support,
            f1=2 * right / (support + guessed),
            auroc=class_aurocs(pool.probs, pool.hard),
            support=support.astype(int),
            multilabel_f1=2 * (voted & said).sum(axis=0) / (voted.sum(axis=0) + said.sum(axis=0)),
            r2_determination=1 - ((pool.soft - pool.probs) ** 2).sum(axis=0) / spread,
            voted_share=pool.soft.mean(axis=0),
            predicted_share=pool.probs.mean(axis=0),
        )


def _entropy_table(voted: np.ndarray, predicted: np.ndarray, classes: int) -> EntropyTable:
    """Counts utterances by voted (rows) and predicted (columns) entropy, in cells of equal width from 0 to log2 C."""
    edges = np.linspace(0, np.log2(classes), ENTROPY_CELLS + 1)
    edges[-1] += 1e-6  # the largest entropy may exceed log2 C in its last bits
    counts, _, _ = np.histogram2d(voted, predicted, bins=[edges, edges])
    return EntropyTable(np.round(edges, 5), counts.astype(int))
