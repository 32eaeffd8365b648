"""Draws the latent emotions of the embedded corpus, and simulates its prosody and its raters."""

from dataclasses import dataclass

import numpy as np

from ambiser.corpora.mini.voices import Prosody

EMOTIONS = ("neu", "hap", "exc", "sad", "ang", "fru", "fea", "sur", "dis", "oth")
_PRIOR = np.array([0.215, 0.10, 0.115, 0.16, 0.14, 0.245, 0.008, 0.013, 0.001, 0.003])
_RELATED = {
    "neu": ("fru", "sad", "hap"), "hap": ("exc", "exc", "neu"), "exc": ("hap", "hap", "sur"), "sad": ("fru", "neu"),
    "ang": ("fru", "fru", "sad"), "fru": ("ang", "neu", "sad"), "fea": ("sad", "sur"), "sur": ("exc", "neu"),
    "dis": ("ang", "fru"), "oth": ("neu", "fru"),
}  # fmt: skip
#            pitch range slope loud  tilt breath rate jitter spread
_PROSODY = {
    "neu": (0.0, 1.0, -1.0, 0.0, 0.00, 0.00, 1.00, 0.010, 1.00),
    "hap": (3.5, 2.5, 1.5, 3.0, -0.02, 0.16, 1.06, 0.012, 1.10),
    "exc": (6.0, 4.0, 2.0, 5.5, -0.08, 0.20, 1.18, 0.015, 1.13),
    "sad": (-2.0, 0.7, -2.5, -8.0, 0.18, 0.28, 0.80, 0.015, 0.96),
    "ang": (4.0, 2.5, -2.5, 9.0, -0.40, -0.12, 1.10, 0.035, 0.95),
    "fru": (1.2, 2.0, -2.0, 3.0, -0.16, -0.04, 1.02, 0.025, 0.97),
    "fea": (5.0, 1.5, 1.0, -1.0, 0.00, 0.25, 1.20, 0.040, 1.02),
    "sur": (4.5, 5.0, 4.0, 3.0, -0.03, 0.05, 1.00, 0.012, 1.03),
    "dis": (-1.0, 1.5, -3.0, 1.0, -0.10, 0.05, 0.85, 0.040, 0.95),
    "oth": (0.5, 1.5, 0.0, 0.0, 0.00, 0.05, 0.95, 0.015, 1.00),
}
_PROSODY_DEVIATION = np.array([1.9, 0.9, 1.6, 2.8, 0.08, 0.08, 0.08, 0.007, 0.026])
_ATTRIBUTES = {  # valence, activation, dominance
    "neu": (3.0, 2.5, 3.0), "hap": (4.0, 3.0, 3.0), "exc": (4.3, 4.0, 3.5), "sad": (2.0, 2.0, 2.3),
    "ang": (1.6, 4.0, 4.0), "fru": (2.2, 3.2, 3.3), "fea": (2.0, 3.5, 2.0), "sur": (3.2, 3.8, 3.0),
    "dis": (1.8, 3.0, 3.3), "oth": (3.0, 3.0, 3.0),
}  # fmt: skip


@dataclass(frozen=True)
class Rater:
    """What a rater leans to, how much words count for him beside the voice, and how unsteady he is."""

    leans_to: str
    lean: float
    words: float
    deviation: float


RATERS = {
    "E1": Rater("neu", 0.10, 0.30, 0.54), "E2": Rater("fru", 0.18, 0.40, 0.49), "E3": Rater("hap", 0.06, 0.35, 0.52),
    "E4": Rater("ang", 0.10, 0.25, 0.54), "E5": Rater("sad", 0.08, 0.45, 0.55),
}  # fmt: skip
SELF = Rater("fru", 0.10, 0.20, 0.28)


@dataclass(frozen=True)
class Latent:
    """What is felt and said: the mixture in the voice (E,), the emotion of the words and whether they show it."""

    voice: np.ndarray
    words: str
    words_show: bool


def draw_latent(quantile: float, conflict: float, rng: np.random.Generator) -> Latent:
    """Draws an utterance: half of them are one emotion, the others a blend; some say another thing than they sound.

    Args:
        quantile: in [0, 1); where the main emotion lies on the prior. Spread evenly it gives even shares.
        conflict: share of utterances whose words are drawn independently of the voice, blends first.
        rng: generator of the rest.
    """
    main = EMOTIONS[min(int(np.searchsorted(np.cumsum(_PRIOR), quantile, side="right")), len(EMOTIONS) - 1)]
    related = _RELATED[main][rng.integers(len(_RELATED[main]))]
    kind = rng.random()
    weight = rng.uniform(0.85, 1.0) if kind < 0.5 else rng.uniform(0.5, 0.7)
    voice = np.zeros(len(EMOTIONS))
    voice[EMOTIONS.index(main)] = weight
    voice[EMOTIONS.index(related)] += 1 - weight
    words = main if rng.random() < weight else related
    if kind > 1 - conflict:
        words = EMOTIONS[rng.choice(len(EMOTIONS), p=_PRIOR)]
    return Latent(voice, words, bool(rng.random() < 0.65))


def draw_prosody(latent: Latent, rng: np.random.Generator) -> Prosody:
    """Draws how the mixture in the voice is spoken."""
    values = latent.voice @ np.array([_PROSODY[emotion] for emotion in EMOTIONS])
    values = values + _PROSODY_DEVIATION * rng.standard_normal(len(values))
    values[1], values[7] = max(values[1], 0.2), max(values[7], 0.003)
    return Prosody(*(float(value) for value in values))


def choose_labels(latent: Latent, rater: Rater, rng: np.random.Generator) -> list[str]:
    """Returns the label that a rater chooses from voice and words, sometimes two that are nearly as good."""
    evidence = latent.voice.copy()
    if latent.words_show:
        evidence[EMOTIONS.index(latent.words)] += rater.words
    evidence[EMOTIONS.index(rater.leans_to)] += rater.lean
    evidence += rater.deviation * rng.standard_normal(len(EMOTIONS)) * np.where(_PRIOR > 0.05, 1.0, 0.7)
    ranked = np.argsort(-evidence, kind="stable")
    second = evidence[ranked[0]] - evidence[ranked[1]] < 0.05 and rng.random() < 0.6
    return [EMOTIONS[i] for i in ranked[: 2 if second else 1]]


def rate_attributes(latent: Latent, rng: np.random.Generator) -> list[float]:
    """Returns valence, activation and dominance from 1 to 5 as a rater gives them."""
    means = latent.voice @ np.array([_ATTRIBUTES[emotion] for emotion in EMOTIONS])
    return [float(value) for value in np.clip(np.round(means + 0.6 * rng.standard_normal(3)), 1, 5)]
