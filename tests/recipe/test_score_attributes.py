"""Scores of predicted attributes over the folds of an experiment."""

from types import SimpleNamespace

import pytest

from ambiser.io.layout import Layout
from ambiser.io.tables import write_table, write_tsv
from ambiser.recipe.score_attributes import attribute_scores

COLUMNS = ["valence", "arousal", "dominance"]


def test_scores_all_folds_together_and_none_where_a_fold_lacks_predictions(tmp_path):
    layout = Layout(tmp_path / "data", tmp_path / "dump", tmp_path / "exp")
    config = SimpleNamespace(score=SimpleNamespace(resamples=100))
    system = SimpleNamespace(tag="x", imported=None, experiment=SimpleNamespace(layout=layout, config=config))
    ratings = [(f"u{i}", f"E{r}", "outside", i + r, 3, r * i) for i in range(6) for r in (0, 1)]
    write_tsv(layout.table("attributes.tsv"), ["utt", "rater", "source", *COLUMNS], ratings)
    write_table(layout.table("utt2spk"), {f"u{i}": f"s{i % 3}" for i in range(6)})
    spreads = [f"{name}_spread" for name in COLUMNS]
    for fold in (1, 2):
        rows = [(f"u{i}", i + 1.5, 3 + i, 0, 1, 1, i) for i in range(3 * fold - 3, 3 * fold)]
        write_tsv(layout.attributes("x", fold), ["utt", *COLUMNS, *spreads], rows)
    valence, arousal, dominance = attribute_scores(system, [1, 2])
    assert valence.utterances == 6
    # Predictions are one above the means 0.5 to 5.5: both variances are 35 / 12.
    assert valence.ccc == pytest.approx(2 * 35 / 12 / (2 * 35 / 12 + 1))
    assert arousal.ccc != arousal.ccc, "constant ratings have no concordance"
    assert dominance.spread_correlation == pytest.approx(1)
    assert attribute_scores(system, [1, 2, 3]) == []
