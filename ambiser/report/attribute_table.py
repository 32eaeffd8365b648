"""Shows on the results page how well mean and spread of valence, arousal and dominance are predicted."""

from collections.abc import Sequence

from ambiser.scoring.attribute_scores import AttributeScore


def attribute_block(scores: Sequence[AttributeScore]) -> dict[str, object]:
    """Returns the table of attributes."""
    header = [
        ("Attribute", "utterances"),
        ("CCC", "mean"),
        ("CCC", "spread"),
        ("Pearson", "spread"),
        ("spread", "utt."),
    ]
    rows = [
        (
            f"{one.name} ({one.utterances:,})",
            [
                _cell(one.ccc, one.ccc_interval),
                _cell(one.spread_ccc, one.spread_ccc_interval),
                _cell(one.spread_correlation, one.spread_correlation_interval),
                [f"{one.spread_utterances:,}"],
            ],
        )
        for one in scores
    ]
    return {"header": header, "rows": rows, "floors": []}


def _cell(value: float, interval: Sequence[float] | None) -> list[str]:
    lines = ["-" if value != value else f"{value:.3f}"]  # a score without variance is nan
    return lines if interval is None else [*lines, f"{interval[0]:.3f}\N{EN DASH}{interval[1]:.3f}"]
