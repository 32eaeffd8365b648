"""Refuses leaks: no speaker, recording or byte-identical audio file may be in two parts of a fold."""

from collections.abc import Mapping, Sequence

from ambiser.corpora.corpus import Utterance
from ambiser.corpora.rotation import PARTS, Fold
from ambiser.errors import DataError, name_some

_SHOWN = 5
REMEDY = "--set data.allow_leaks=true"


def find_leaks(fold: Fold, utterances: Mapping[str, Utterance], twins: Mapping[str, str]) -> dict[str, list[str]]:
    """Finds what is in more than one of train, dev and test.

    Args:
        fold: the utterances of each part; parts beside the three are not looked at.
        utterances: by name.
        twins: for every wav that has a byte-identical twin, a key of its content.

    Returns:
        By kind (speaker, recording, wav), where there are any: "name (parts)", sorted.
    """
    sides: dict[str, dict[str, dict[str, str]]] = {"speaker": {}, "recording": {}, "wav": {}}
    for part in PARTS:
        for utt in fold[part]:
            u = utterances[utt]
            for kind, key in (("speaker", u.speaker), ("recording", u.recording), ("wav", twins.get(utt, ""))):
                if key:
                    sides[kind].setdefault(key, {}).setdefault(part, utt)
    leaks = {}
    for kind, parts_of in sides.items():
        found = sorted(_describe(kind, key, parts) for key, parts in parts_of.items() if len(parts) > 1)
        if found:
            leaks[kind] = found
    return leaks


def guard_folds(
    folds: Mapping[int, Fold], utterances: Sequence[Utterance], twins: Mapping[str, str], *, allowed: bool
) -> dict[str, int]:
    """Refuses folds that leak.

    Args:
        folds: by number.
        utterances: all of the corpus.
        twins: as in `find_leaks`.
        allowed: the protocol is stamped as leaking, or the configuration allows it: only count.

    Returns:
        The number of speakers, recordings and wavs in two parts, summed over folds; empty if there are none.

    Raises:
        DataError: some do and it is not allowed; the message names the fold, them and the parts.
    """
    by_name = {u.utt: u for u in utterances}
    counts: dict[str, int] = {}
    for number, fold in folds.items():
        leaks = find_leaks(fold, by_name, twins)
        if leaks and not allowed:
            raise DataError(f"fold {number}: {_complain(leaks)}; another data.protocol keeps them apart, or {REMEDY}")
        for kind, found in leaks.items():
            counts[kind] = counts.get(kind, 0) + len(found)
    return counts


def _describe(kind: str, key: str, parts: Mapping[str, str]) -> str:
    if kind == "wav":
        return " = ".join(f"{utt} ({part})" for part, utt in parts.items())
    return f"{key} ({' and '.join(parts)})"


def _complain(leaks: Mapping[str, list[str]]) -> str:
    words = {"speaker": "speakers are", "recording": "recordings are", "wav": "byte-identical audio files are"}
    lines = (f"{words[kind]} in more than one part: {name_some(found, _SHOWN)}" for kind, found in leaks.items())
    return "; ".join(lines)
