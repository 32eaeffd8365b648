"""Plans the dialogs and turns of the embedded corpus: who says what when, and how it is rated."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from ambiser.config.data_keys import MINI_CONFLICT
from ambiser.corpora.mini.mini_raters import (
    RATERS,
    SELF,
    Latent,
    choose_labels,
    draw_latent,
    draw_prosody,
    rate_attributes,
)
from ambiser.corpora.mini.mini_words import write_sentence
from ambiser.corpora.mini.voices import Prosody, Speaker, Unit, plan_units

SEED = 20240917
TICKS_PER_S = 10000  # times have four decimals
SELF_RATERS = {"Ses01F": "F1", "Ses01M": "M1", "Ses02F": "F2", "Ses03F": "F3", "Ses03M": "M3", "Ses05M": "M5"}
_EXTRA_DIALOGS = {3: ["Ses03M_impro05a"], 5: ["Ses05M_script01_1b"]}
_PANELS = (("E1", "E2", "E4"), ("E2", "E3", "E4"), ("E1", "E3", "E4"), ("E1", "E2", "E5"), ("E2", "E4", "E5"))
_RARE = {"Ses04F_impro01_M001": "oth", "Ses04M_script01_1_F001": "dis"}
_COMMENTS = ("", "", "", "", "curious", "mildly annoyed, but polite", "giving up", "hard to say", "warm voice")
_GOLDEN = 0.6180339887498949  # its multiples, taken modulo 1, are spread evenly
_ODD_COMMENT = 'first calm; then: "why me", and so on'


@dataclass
class PlannedTurn:
    """One turn with everything that its files say; times in ticks of 0.1 ms."""

    turn: str
    speaker: str
    latent: Latent
    text: str
    words: list[str]
    units: list[Unit]
    prosody: Prosody
    duration: int
    start: int = 0
    labels: list[tuple[str, list[str], str]] = field(default_factory=list)
    attributes: list[tuple[str, list[float | None], str]] = field(default_factory=list)

    @property
    def end(self) -> int:
        """Last tick."""
        return self.start + self.duration

    @property
    def samples(self) -> int:
        """Length at 16 kHz, rounded down."""
        return self.duration * 16000 // TICKS_PER_S


def plan_corpus(n_utterances: int, conflict: float = MINI_CONFLICT) -> dict[str, list[PlannedTurn]]:
    """Plans every dialog.

    Args:
        n_utterances: in all dialogs together.
        conflict: share of utterances whose words are drawn independently of the voice.

    Returns:
        By dialog: its turns in the order of time; n_utterances in all, each dialog and letter about equally many.
    """
    dialogs = [dialog for session in range(1, 6) for dialog in _dialogs(session)]
    weights = [1 / (5 * len(_dialogs(int(dialog[4])))) for dialog in dialogs]
    counts = _share_out(n_utterances, weights)
    return {
        dialog: _plan_dialog(dialog, number, count, conflict)
        for number, (dialog, count) in enumerate(zip(dialogs, counts, strict=True))
    }


def make_speaker(speaker: str) -> Speaker:
    """Returns the voice of Ses01F to Ses05M."""
    woman = speaker[-1] == "F"
    rng = np.random.default_rng([SEED, int(speaker[4]), int(woman)])
    return Speaker(
        pitch_hz=(200.0 if woman else 112.0) * 2 ** rng.uniform(-0.2, 0.2),
        tract=(1.14 if woman else 1.0) * rng.uniform(0.96, 1.04),
        loudness_db=rng.uniform(-2.0, 2.0),
        tilt=0.55 + rng.uniform(-0.06, 0.06),
        breath=(0.22 if woman else 0.14) + rng.uniform(-0.05, 0.05),
        rate=rng.uniform(0.92, 1.08),
    )


def code_of(turn: PlannedTurn) -> str:
    """Returns the consensus code: what most outside raters chose, xxx for a tie."""
    votes = Counter(label for rater, labels, _ in turn.labels if rater[0] == "E" for label in labels)
    best = max(votes.values())
    winners = [label for label, count in votes.items() if count == best]
    return winners[0] if len(winners) == 1 else "xxx"


def _dialogs(session: int) -> list[str]:
    return [f"Ses0{session}F_impro01", f"Ses0{session}M_script01_1", *_EXTRA_DIALOGS.get(session, [])]


def _share_out(total: int, weights: list[float]) -> list[int]:
    edges = np.round(np.concatenate([[0], np.cumsum(weights)]) * total / sum(weights)).astype(int)
    return [int(n) for n in np.diff(edges)]


def _plan_dialog(dialog: str, number: int, count: int, conflict: float) -> list[PlannedTurn]:
    rng = np.random.default_rng([SEED, 100, number])
    panel, first_quantile = _PANELS[number % len(_PANELS)], rng.random()
    letters = list("FM" * (count // 2) + "FM"[number % 2] * (count % 2))
    order = [letters[i] for i in np.argsort(np.arange(count) + rng.uniform(0, 3, count), kind="stable")]
    spoken: Counter = Counter()
    turns: list[PlannedTurn] = []
    clock, previous = int(rng.uniform(3, 9) * TICKS_PER_S), ""
    for letter in order:
        name = f"{dialog}_{letter}{spoken[letter]:03d}"
        spoken[letter] += 1
        quantile = (first_quantile + len(turns) * _GOLDEN) % 1
        rng_of_turn = np.random.default_rng([SEED, 200, number, len(turns)])
        turn = _plan_turn(name, draw_latent(quantile, conflict, rng_of_turn), panel=panel, rng=rng_of_turn)
        overlap = 0.4 if letter != previous else 0.0
        turn.start = clock + int(rng.uniform(-overlap, 1.5) * TICKS_PER_S)
        clock, previous = turn.end, letter
        turns.append(turn)
    return turns


def _plan_turn(name: str, latent: Latent, *, panel: tuple[str, ...], rng: np.random.Generator) -> PlannedTurn:
    speaker = name[:5] + name[-4]
    text, words = write_sentence(latent.words, carries=latent.words_show, rng=rng)
    prosody = draw_prosody(latent, rng)
    rate = make_speaker(speaker).rate * max(prosody.rate, 0.5)
    units = plan_units(words, rate=rate, rng=rng, shortest_s=1.05, longest_s=3.9)
    # The last unit is silence: it takes up the rest. A duration that is no multiple of 5 ticks is no whole
    # number of samples, so that rounding down gives the same number in whatever way it is computed.
    duration = -(-sum(unit.samples for unit in units) * 5 // 8) + 5
    duration += duration % 5 == 0
    rest = duration * 8 // 5 - sum(unit.samples for unit in units)
    units[-1] = Unit(" ", units[-1].samples + rest, -1)
    turn = PlannedTurn(name, speaker, latent, text, words, units, prosody, duration)
    _rate(turn, panel, rng)
    return turn


def _rate(turn: PlannedTurn, panel: tuple[str, ...], rng: np.random.Generator) -> None:
    """Lets three outside raters and, where there is one, the speaker rate a turn; two of the three give attributes."""
    for rater in panel:
        turn.labels.append((rater, choose_labels(turn.latent, RATERS[rater], rng), _comment(rng)))
    if turn.turn in _RARE:
        rare, others = _RARE[turn.turn], turn.labels
        turn.labels = [(rater, [rare], comment) for rater, _, comment in others[:2]] + [(others[2][0], ["fru"], "")]
    if turn.turn.endswith("impro01_F001"):
        turn.labels[1] = (*turn.labels[1][:2], _ODD_COMMENT)
    raters = sorted(rng.choice(panel, 2, replace=False))
    turn.attributes = [(str(rater), list(rate_attributes(turn.latent, rng)), _comment(rng)) for rater in raters]
    self_rater = SELF_RATERS.get(turn.speaker)
    if self_rater:
        turn.labels.append((self_rater, choose_labels(turn.latent, SELF, rng), _comment(rng)))
        turn.attributes.append((self_rater, list(rate_attributes(turn.latent, rng)), ""))
    if turn.turn.endswith("script01_1_F000"):
        turn.attributes[0][1][2] = None
    if turn.turn.endswith("script01_1_M000"):
        turn.attributes[0][1][0] = 2.5


def _comment(rng: np.random.Generator) -> str:
    return _COMMENTS[rng.integers(len(_COMMENTS))]
