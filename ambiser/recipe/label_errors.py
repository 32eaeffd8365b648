"""Lists votes by how likely they are errors, given the other votes and a model's predictions (cleanlab)."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ambiser.config.data_keys import LabelPolicy
from ambiser.errors import ConfigError, DataError
from ambiser.io.layout import Layout, require
from ambiser.io.tables import read_table
from ambiser.labels.ballots import list_ballots, named_raters
from ambiser.labels.vote_table import read_votes
from ambiser.recipe.next_raters import find_candidates

_MOST_CELLS = 10**8
"""Largest size of the table of utterances by raters that cleanlab needs: 800 MB."""


def doubtful_votes(data_dir: Path, predictions: Sequence[Path], policy: LabelPolicy) -> list[dict[str, object]]:
    """Returns a row per vote of a named rater, the least plausible first.

    A vote that is divided between classes counts for the first of them.

    Args:
        data_dir: that stage 1 wrote.
        predictions: predictions.tsv of folds, of seeds or of both; several of one utterance are averaged. They must be
            of utterances that the model was not trained on.
        policy: the labels of the experiment.

    Raises:
        ConfigError: cleanlab is not installed.
        DataError: a file is damaged, or no predicted utterance has votes of two named raters.
    """
    found = find_candidates(data_dir, predictions, policy)
    layout = Layout.of_data(data_dir)
    votes = read_votes(require(layout.table("votes.tsv"), "prepare"))
    ballots = list_ballots(votes, policy)
    rows = votes.rows_in(found.utts)[ballots.utt]
    chosen = (rows >= 0) & named_raters(votes)[ballots.rater]
    kept = ballots.select(chosen)
    utts, item = np.unique(rows[chosen], return_inverse=True)
    raters, rater = np.unique(kept.rater, return_inverse=True)
    if not len(item) or np.bincount(item).max() < 2:
        raise DataError(f"{data_dir}: no predicted utterance has votes of two named raters, which are compared here")
    if len(utts) * len(raters) > _MOST_CELLS:
        raise DataError(
            f"{data_dir}: {len(utts)} utterances times {len(raters)} raters are more than {_MOST_CELLS} cells; name "
            "the predictions of fewer folds"
        )
    label = kept.shares.argmax(axis=1)
    consensus, quality, of_vote = _crowdlab(item, rater, label, found.members.mean(axis=0)[utts])
    wavs, words = (read_table(layout.table(name), allow_empty_value=True) for name in ("wav.scp", "text"))
    names = [found.utts[row] for row in utts]
    return [
        {
            "rank": rank,
            "utt": (utt := names[item[vote]]),
            "rater": votes.raters[kept.rater[vote]],
            "vote": found.classes[label[vote]],
            "quality": f"{of_vote[vote]:.6f}",
            "consensus": found.classes[consensus[item[vote]]],
            "consensus_quality": f"{quality[item[vote]]:.6f}",
            "audio": wavs.get(utt, ""),
            "text": words.get(utt, ""),
        }
        for rank, vote in enumerate(np.argsort(of_vote, kind="stable"), start=1)
    ]


def _crowdlab(
    item: np.ndarray, rater: np.ndarray, label: np.ndarray, probs: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns consensus class and its quality (N,), and the quality of each vote (V,), by CROWDLAB.

    Source: Goh et al. 2022, CROWDLAB (arXiv 2210.06812), as cleanlab implements it.
    """
    try:
        from cleanlab.multiannotator import get_label_quality_multiannotator
    except ImportError as error:
        raise ConfigError("ambiser doubt needs the package cleanlab; run pip install 'cleanlab>=2.7'") from error
    table = np.full((len(probs), int(rater.max()) + 1), np.nan)  # (N, M)
    table[item, rater] = label
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes that no consensus has
        made = get_label_quality_multiannotator(table, probs, return_annotator_stats=False, verbose=False)
    whole = made["label_quality"]
    of_vote = made["detailed_label_quality"].to_numpy()[item, rater]
    return whole["consensus_label"].to_numpy(), whole["consensus_quality_score"].to_numpy(), of_vote
