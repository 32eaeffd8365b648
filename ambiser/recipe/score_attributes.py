"""Scores the predicted attributes of an experiment."""

from ambiser.io.layout import require
from ambiser.io.tables import read_table, read_tsv
from ambiser.recipe.systems import System


def attribute_scores(system: System, folds: list[int]) -> list:
    """Returns the scores of valence, arousal and dominance over folds; none where a fold has no predictions."""
    layout = system.experiment.layout
    paths = [layout.attributes(system.tag, fold) for fold in folds]
    if system.imported is not None or not all(path.is_file() for path in paths):
        return []
    import numpy as np

    from ambiser.labels.ratings import ATTRIBUTES, load_ratings
    from ambiser.scoring.attribute_scores import score_attributes

    columns = [*ATTRIBUTES, *(f"{name}_spread" for name in ATTRIBUTES)]
    rows = [row for path in paths for row in read_tsv(path, ["utt", *columns])]
    utts = [row["utt"] for row in rows]
    values = np.array([[float(row[name]) for name in columns] for row in rows])  # (N, 6)
    speakers = read_table(require(layout.table("utt2spk"), "prepare"))
    return score_attributes(
        values[:, :3],
        values[:, 3:],
        load_ratings(require(layout.table("attributes.tsv"), "prepare"), utts),
        np.array([speakers[utt] for utt in utts]),
        resamples=system.experiment.config.score.resamples,
    )
