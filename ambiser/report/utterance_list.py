"""Makes the list of utterances on the page: votes against predictions, for every experiment."""

import json
from collections.abc import Mapping, Sequence

import numpy as np

from ambiser.labels.entropy import entropy_bits
from ambiser.labels.label_view import AMBIGUOUS, PRECISE
from ambiser.scoring.group_masks import level_names
from ambiser.scoring.groups import Fold
from ambiser.scoring.utterance_scores import jsd_bits

MOST_ROWS = 2000
KINDS = {PRECISE: "precise", AMBIGUOUS: "ambiguous"}


def list_utterances(
    loaded: Mapping[str, Mapping[int, Fold]],
    *,
    classes: Sequence[str],
    levels: Sequence[float],
    words: Mapping[str, str],
    audio: Mapping[str, str],
) -> dict[str, object]:
    """Returns the utterances for the page, at most MOST_ROWS, those with the highest divergence first.

    Args:
        loaded: folds by tag and number; all tags have the same utterances.
        classes, levels: names of the classes, and borders of the levels of ambiguity.
        words, audio: transcripts, and paths of existing files relative to the page.
    """
    tags, first = list(loaded), next(iter(loaded.values()))
    names = ("utts", "soft", "hard", "kind")
    utts, soft, hard, kind = (np.concatenate([vars(fold)[name] for fold in first.values()]) for name in names)
    number = np.repeat(list(first), [len(fold.utts) for fold in first.values()])
    probs = {tag: np.concatenate([fold.probs for fold in folds.values()]) for tag, folds in loaded.items()}
    gaps = {tag: jsd_bits(values, soft) for tag, values in probs.items()}  # (N,) each
    level = np.searchsorted(np.asarray(levels) + 1e-9, entropy_bits(soft))
    order = np.argsort(-np.max(list(gaps.values()), axis=0), kind="stable")[:MOST_ROWS]
    rows = [
        {
            "utt": str(utts[i]),
            "fold": int(number[i]),
            "text": words.get(str(utts[i]), ""),
            "audio": audio.get(str(utts[i]), ""),
            "class": int(hard[i]),
            "level": int(level[i]),
            "kind": "no majority" if hard[i] < 0 else KINDS.get(int(kind[i]), "other"),
            "votes": _percent(soft[i]),
            "probs": [_percent(probs[tag][i]) for tag in tags],
            "gap": [round(float(gaps[tag][i]), 3) for tag in tags],
        }
        for i in order
    ]
    shared = {"classes": list(classes), "levels": level_names(list(levels)), "tags": tags}
    return shared | {"rows": rows, "total": len(utts)}


def as_script(listing: Mapping[str, object]) -> str:
    """Returns JSON that may stand inside a script element, whatever the transcripts hold."""
    text = json.dumps(listing, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _percent(distribution: np.ndarray) -> list[int]:
    return [int(value) for value in np.round(100 * distribution)]
