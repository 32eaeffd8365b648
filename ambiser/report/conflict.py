"""Makes the page's tables of both kinds of ambiguity: heads by disagreement of raters and of modalities."""

from collections.abc import Mapping, Sequence

import numpy as np

from ambiser.labels.entropy import entropy_bits
from ambiser.report.system_details import HEADS, Detail
from ambiser.scoring.group_masks import level_names
from ambiser.scoring.utterance_scores import bhattacharyya

MOST_DISAGREEING = 20
THIRDS = ("low", "medium", "high")
_WORTH_SAYING = 0.2  # smaller probabilities are left out of the list


def conflict_thirds(conflict: np.ndarray) -> np.ndarray:
    """Returns (N,) 0, 1 or 2: the third of the conflict between speech and text that an utterance lies in."""
    return np.searchsorted(np.quantile(conflict, [1 / 3, 2 / 3]), conflict, side="right")


def ambiguity_block(details: Sequence[Detail], levels: Sequence[float]) -> dict[str, object]:
    """Returns a table of means: conflict, entropies and BC of every head, and teacher weights.

    Its rows are all utterances, the levels of the raters' ambiguity, and thirds of the modalities' conflict.

    Args:
        details: folds with heads A and T.
        levels: upper entropies in bits of the levels below the highest.
    """
    soft = np.concatenate([detail.fold.soft for detail in details])
    voted, conflict = entropy_bits(soft), np.concatenate([detail.heads.conflict() for detail in details])
    probs = {h: np.concatenate([detail.heads.probs[h] for detail in details]) for h in details[0].heads.probs}
    weights = {t: np.concatenate([detail.heads.weights[t] for detail in details]) for t in details[0].heads.weights}
    level, third = np.searchsorted(np.asarray(levels) + 1e-9, voted), conflict_thirds(conflict)
    groups = [("all utterances", np.ones(len(voted), dtype=bool))]
    groups += [(f"raters: {name}", level == number) for number, name in enumerate(level_names(list(levels)))]
    groups += [(f"modalities: {name}", third == number) for number, name in enumerate(THIRDS)]
    columns = {("conflict", "bits"): conflict, ("entropy", "votes, bits"): voted}
    columns |= {("entropy", f"{HEADS[head]}, bits"): entropy_bits(values) for head, values in probs.items()}
    columns |= {("BC", HEADS[head]): bhattacharyya(values, soft) for head, values in probs.items()}
    columns |= {("teacher weight", HEADS[teacher]): values for teacher, values in weights.items()}
    rows = [
        (f"{name} ({mask.sum():,})", [[f"{values[mask].mean():.3f}"] for values in columns.values()])
        for name, mask in groups
        if mask.any()
    ]
    return {"header": [("Ambiguity", "utterances"), *columns], "rows": rows}


def disagreements(
    details: Sequence[Detail], classes: Sequence[str], words: Mapping[str, str]
) -> dict[str, list[tuple[str, ...]]]:
    """Returns the utterances on which speech and text disagree most, with what votes and heads say.

    Args:
        details: folds with heads A and T.
        classes: their names.
        words: transcripts.
    """
    heads = list(details[0].heads.probs)
    found = []
    for detail in details:
        for i, conflict in enumerate(detail.heads.conflict()):
            said = [_say(detail.fold.soft[i], classes), *(_say(detail.heads.probs[h][i], classes) for h in heads)]
            utt = str(detail.fold.utts[i])
            found.append((-conflict, utt, (utt, words.get(utt, ""), f"{conflict:.3f}", *said)))
    rows = [row for _, _, row in sorted(found)[:MOST_DISAGREEING]]
    return {"header": ["utterance", "words", "JSD (bits)", "votes", *(HEADS[head] for head in heads)], "rows": rows}


def _say(probs: np.ndarray, classes: Sequence[str]) -> str:
    order = [i for i in np.argsort(-probs, kind="stable") if probs[i] >= _WORTH_SAYING]
    return ", ".join(f"{classes[i]} {100 * probs[i]:.0f}\N{NO-BREAK SPACE}%" for i in order)
