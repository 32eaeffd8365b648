"""Describes how the raters of a corpus agree, for the statistics of stage 1."""

from collections import Counter

import numpy as np

from ambiser.config.data_keys import LabelPolicy
from ambiser.labels.agreement import fleiss_kappa, krippendorff_alpha
from ambiser.labels.entropy import entropy_bits
from ambiser.labels.label_view import LabelView, view_labels
from ambiser.labels.vote_table import VoteTable, distinct


def count_raters(votes: VoteTable) -> np.ndarray:
    """Returns the (M,) number of outside raters per utterance that has any; several labels of one rater count once."""
    chosen = (votes.source == 0) & (votes.slot == 0)
    pairs = distinct(votes.utt[chosen].astype(np.int64) * len(votes.raters) + votes.rater[chosen])
    counts = np.bincount(pairs // len(votes.raters))
    return counts[counts > 0]


def describe_agreement(votes: VoteTable, labels: LabelPolicy, view: LabelView, raters: np.ndarray) -> dict[str, str]:
    """Describes how outside raters agree: on all labels (primary votes), and on the classes of the experiment.

    Args:
        votes: of the corpus.
        labels: the policies of the classes.
        view: the labels that follow from both.
        raters: (M,) number of raters per utterance, from `count_raters`.

    Returns:
        Descriptions by name, in the order of the report.
    """
    raw = _primary_counts(votes)
    given, best = raw.sum(axis=1), raw.max(axis=1)
    tied = (raw == best[:, None]).sum(axis=1) > 1
    shares = {
        "unanimous": best == given,
        "absolute majority": best > given / 2,
        "tie for first": tied,
    }
    return {
        "raters per utterance": _range(raters),
        "on all labels": ", ".join(f"{name} {100 * hit.mean():.1f} %" for name, hit in shares.items()),
        "mean entropy": f"{entropy_bits(raw / given[:, None]).mean():.3f} bits on all labels, "
        f"{entropy_bits(view.soft).mean():.3f} bits on the classes",
        "Krippendorff's alpha": f"{krippendorff_alpha(raw):.3f} on all labels, "
        f"{krippendorff_alpha(view.counts):.3f} on the classes",
        "Fleiss' kappa": f"{fleiss_kappa(raw):.3f} on all labels, {fleiss_kappa(view.counts):.3f} on the classes",
    } | _agreement(votes, labels)


def _primary_counts(votes: VoteTable) -> np.ndarray:
    """Returns the (M, labels) primary votes of outside raters, for every utterance that has any."""
    chosen = (votes.source == 0) & (votes.slot == 0)
    width = len(votes.labels)
    flat = votes.utt[chosen].astype(np.int64) * width + votes.label[chosen]
    counts = np.bincount(flat, minlength=len(votes.utts) * width).reshape(-1, width)
    return counts[counts.sum(axis=1) > 0]


def _range(counts: np.ndarray) -> str:
    few, many = counts.min(), counts.max()
    return str(few) if few == many else f"{few} to {many}, mean {counts.mean():.2f}"


def _agreement(votes: VoteTable, labels: LabelPolicy) -> dict[str, str]:
    """Counts unanimous utterances, those with a mere majority, and those without, in these classes."""
    keep_all = {"other_votes": "drop_vote", "other_majority": "keep", "no_majority": "keep", "precise": "unanimous"}
    plain = keep_all | {"ties": "exclude", "ambiguous": "majority", "aggregate": "votes"}
    view = view_labels(votes, labels.model_copy(update=plain))
    hard, kinds = (view.hard >= 0).sum(), Counter(view.kind[view.hard >= 0].tolist())
    view = view_labels(votes, labels.model_copy(update=plain | {"other_majority": "drop_utterance"}))
    none = int((view.hard < 0).sum())
    total = max(int(hard) + none, 1)
    parts = (("unanimous", kinds[0]), ("majority only", kinds[1]), ("no majority", none))
    return {"agreement": ", ".join(f"{name} {n} ({100 * n / total:.1f} %)" for name, n in parts)}
