"""Renders the page of `ambiser predict`: for each recording a player, bars, words on disagreement, curves over time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ambiser.report.page_template import render_page
from ambiser.report.palette import COLORS

_WIDTH, _HEIGHT = 1000, 240
"""Units of the drawing area of the curves; the page scales it."""
_HEADS = {"A": "speech", "T": "text", "AT": "both"}
_VERDICTS = (
    (0.8, "Raters would mostly agree."),
    (0.5, "Raters would often disagree."),
    (0.0, "Raters would mostly disagree."),
)
"""By the least probability that two raters agree."""
_MOST_TICKS = 8
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)


@dataclass(frozen=True)
class PageRecording:
    """A recording on the page.

    Attributes:
        audio: address of the sound for the player, already quoted; empty for no player.
        windows: the JSON objects of its output rows, in the order of time.
    """

    audio: str
    windows: Sequence[Mapping[str, object]]


@dataclass(frozen=True)
class Curve:
    """A line over time: its name, color, dashes, and one list of points "x,y x,y" per part without a gap."""

    name: str
    color: str
    dashes: str
    parts: list[str] = field(default_factory=list)


def render_predictions(
    recordings: Sequence[PageRecording], *, model: str, total: int, faults: Sequence[str] = (), is_bare: bool = False
) -> str:
    """Returns the HTML page; it loads nothing but linked sounds.

    Args:
        recordings: those shown.
        model: id of the model.
        total: number of predicted recordings; more than are shown add a remark.
        faults: one line per recording that could not be used.
        is_bare: leave out heading and introduction.
    """
    return render_page(
        "predictions_page.html.j2",
        model=model,
        total=total,
        faults=faults,
        recordings=[_describe(one) for one in recordings],
        is_bare=is_bare,
        width=_WIDTH,
        height=_HEIGHT,
    )


def _describe(recording: PageRecording) -> dict[str, object]:
    windows = recording.windows
    first, last = windows[0], windows[-1]
    seconds = [one["end_s"] - one["start_s"] for one in windows]
    mean = {name: _mean([one["distribution"][name] for one in windows], seconds) for name in first["distribution"]}
    label = max(mean, key=mean.__getitem__)
    return {
        "name": first["file"],
        "audio": recording.audio,
        "label": label,
        "facts": _facts(windows),
        "text": " ".join(dict.fromkeys(one["text"] for one in windows if one["text"])),
        "bars": [(name, f"{100 * share:.1f}", name == label) for name, share in mean.items()],
        "words": _words(windows, seconds),
        "details": _details(windows, seconds),
        "notes": list(dict.fromkeys(note for one in windows for note in one["notes"])),
        "curves": _curves(windows, {name: [one["distribution"][name] for one in windows] for name in mean}),
        "agreement": _curves(windows, {"agreement": [one["expected_agreement"] for one in windows]}),
        "ticks": _ticks(last["end_s"]) if len(windows) > 1 else [],
        "end_s": last["end_s"],
    }


def _facts(windows: Sequence[Mapping[str, object]]) -> str:
    end = _clock(windows[-1]["end_s"])
    return f"{end}, {len(windows)} windows, means over time" if len(windows) > 1 else end


def _words(windows: Sequence[Mapping[str, object]], seconds: Sequence[float]) -> list[str]:
    """Returns sentences on how raters would disagree."""
    agreement = _mean([one["expected_agreement"] for one in windows], seconds)
    verdict = next(text for least, text in _VERDICTS if agreement >= least)
    made = [verdict, f"Two raters choose the same class with a probability of {_percent(agreement)}."]
    for raters in windows[0]["no_majority"]:
        tie = _mean([one["no_majority"][raters] for one in windows], seconds)
        made.append(f"{raters} raters have no majority with a probability of {_percent(tie)}.")
    return made


def _details(windows: Sequence[Mapping[str, object]], seconds: Sequence[float]) -> list[tuple[str, str]]:
    """Returns named facts: entropy, nearest prototypes, disagreement of heads and of members."""

    def means(key: str) -> dict[str, float]:
        return {name: _mean([one[key][name] for one in windows], seconds) for name in windows[0][key]}

    def mean(key: str) -> float:
        return _mean([one[key] for one in windows], seconds)

    details = [("entropy", f"{mean('entropy_bits'):.2f} bits")]
    if len(windows) == 1 and windows[0].get("prediction_set"):
        details.append(("prediction set", ", ".join(windows[0]["prediction_set"])))
    cosines = sorted(means("prototype_similarity").items(), key=lambda pair: -pair[1])
    if cosines:
        details.append(("nearest prototypes", ", ".join(f"{name} {value:.2f}" for name, value in cosines)))
    for pair, value in means("head_jsd_bits").items():
        one, other = (_HEADS.get(head, head) for head in pair.split("_", 1))
        details.append((f"{one} against {other}", f"JSD {value:.3f} bits"))
    details.append(("disagreement of the networks", f"{mean('member_information_bits'):.3f} bits"))
    return details


def _curves(windows: Sequence[Mapping[str, object]], values: Mapping[str, Sequence[float]]) -> list[Curve]:
    """Returns a curve per name through the middles of the windows, with a gap where no window is."""
    if len(windows) < 2:
        return []
    gaps = [
        number for number, (one, other) in enumerate(pairwise(windows), 1) if other["start_s"] > one["end_s"] + 0.05
    ]
    spans = list(pairwise([0, *gaps, len(windows)]))
    scale = _WIDTH / windows[-1]["end_s"]
    made = []
    for number, (name, heights) in enumerate(values.items()):
        curve = Curve(name, COLORS[number % len(COLORS)], "6 4" if number >= len(COLORS) else "none")
        for start, end in spans:
            part, rows = windows[start:end], list(heights[start:end])
            middles = [(one["start_s"] + one["end_s"]) / 2 for one in part]
            times = [part[0]["start_s"], *middles, part[-1]["end_s"]]
            points = zip(times, [rows[0], *rows, rows[-1]], strict=True)
            curve.parts.append(" ".join(f"{scale * time:.1f},{_HEIGHT * (1 - row):.1f}" for time, row in points))
        made.append(curve)
    return made


def _ticks(end_s: float) -> list[tuple[str, str]]:
    """Returns x and label of round times, at most _MOST_TICKS."""
    step = next((step for step in _STEPS_S if end_s / step < _MOST_TICKS), end_s)
    times = [number * step for number in range(int(end_s / step) + 1)]
    return [(f"{100 * time / end_s:.2f}", _clock(time)) for time in times]


def _mean(values: Sequence[float], weights: Sequence[float]) -> float:
    return sum(value * weight for value, weight in zip(values, weights, strict=True)) / sum(weights)


def _percent(share: float) -> str:
    return f"{100 * share:.0f}\u00a0%"


def _clock(seconds: float) -> str:
    """Returns a time as 3.2 s, 12 s, 1:05 or 1:02:03."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 and seconds != int(seconds) else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
