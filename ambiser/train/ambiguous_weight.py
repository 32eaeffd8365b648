"""Lowers the weight of ambiguous utterances where they outnumber the precise ones."""


def limit_weight(weight: float, limit: float, *, precise: int, ambiguous: int) -> float:
    """Returns the weight of one ambiguous utterance: w, or less where all of them would outweigh the precise ones.

    min(w, r P / A) with P precise and A ambiguous training utterances, so that ambiguous ones together weigh at most r
    times as much as precise ones (decided here).

    Args:
        weight: w >= 0, relative to a precise utterance.
        limit: r > 0.
        precise: P >= 1.
        ambiguous: A >= 0.
    """
    return min(weight, limit * precise / ambiguous) if ambiguous else weight
