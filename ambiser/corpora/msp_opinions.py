"""Turns the labels of the raters of MSP-Podcast into votes and ratings, one file after the other."""

import math
from collections.abc import Iterable
from pathlib import Path

from ambiser.corpora.corpus import Rating, Vote
from ambiser.corpora.findings import Findings

PRIMARY = {
    "angry": "ang",
    "sad": "sad",
    "happy": "hap",
    "surprise": "sur",
    "fear": "fea",
    "disgust": "dis",
    "contempt": "con",
    "neutral": "neu",
}
SECONDARY = PRIMARY | {
    "amused": "amu",
    "frustrated": "fru",
    "depressed": "dep",
    "concerned": "cnc",
    "disappointed": "dsp",
    "excited": "exc",
    "confused": "cnf",
    "annoyed": "ann",
}
OTHER = "oth"
SCALE = (1, 7)
Row = tuple[int | str, str, str, str, str, str, str, str]  # place, file, rater, primary, secondary, act, val, dom


class _VotesOfRater(dict[str, Vote]):
    """The votes of a rater by code, that of a secondary label as +CODE: equal votes are one object, to save memory."""

    def __init__(self, rater: str) -> None:
        super().__init__()
        self.rater = rater

    def __missing__(self, key: str) -> Vote:
        slot = "secondary" if key[0] == "+" else "primary"
        vote = self[key] = Vote(self.rater, "outside", key.removeprefix("+"), slot)
        return vote


class _VotesByRater(dict[str, _VotesOfRater]):
    """The votes of every rater by name."""

    def __missing__(self, rater: str) -> _VotesOfRater:
        votes = self[rater] = _VotesOfRater(rater)
        return votes


class _SecondaryKeys(dict[str, tuple[str, ...]]):
    """The keys (+CODE) of a text of secondary labels."""

    def __missing__(self, text: str) -> tuple[str, ...]:
        keys = self[text] = tuple(f"+{code}" for code in secondary_codes(text))
        return keys


class Opinions:
    """The votes and ratings of every file, collected row by row."""

    def __init__(self, path: Path, findings: Findings) -> None:
        self.votes: dict[str, list[Vote]] = {}
        self.ratings: dict[str, list[Rating]] = {}
        self._path, self._findings = path, findings
        self._primary_codes: dict[str, str] = {}
        self._secondary = _SecondaryKeys()
        self._numbers: dict[str, float] = {}
        self._made = _VotesByRater()

    def add(self, rows: Iterable[Row]) -> "Opinions":
        """Adds rows; of several by one rater on one file the first counts."""
        last, votes, ratings, raters = "", [], [], set()
        codes, numbers = self._primary_codes, self._numbers
        for place, file, rater, primary, secondary, act, val, dom in rows:
            if file != last or not raters:  # the rows of a file follow each other, except in few releases
                last, votes, ratings = file, self.votes.setdefault(file, []), self.ratings.setdefault(file, [])
                raters = {vote[0] for vote in votes}
            if rater in raters:
                self._warn("lines of a rater who has rated the file already (not counted)", place, f"{file} {rater}")
                continue
            made = self._made[rater]
            code = codes.get(primary) or self._primary_code(primary, place)
            keys = self._secondary[secondary]
            if code:
                votes.append(made[code])
            for key in keys:
                votes.append(made[key])
            if code or keys:
                raters.add(rater)
            try:
                values = (numbers[val], numbers[act], numbers[dom])
            except KeyError:
                values = (self._number(val, place), self._number(act, place), self._number(dom, place))
            ratings.append(Rating._make((made.rater, "outside", *values)))
        return self

    def _primary_code(self, text: str, place: int | str) -> str:
        word = text.strip().casefold()
        code = PRIMARY.get(word)
        if code:
            self._primary_codes[text] = code
        elif not word:
            self._warn("raters without a primary label (not counted)", place)
        else:
            code = OTHER
            if not word.startswith("other"):
                self._warn("primary labels outside the vocabulary (counted as other)", place, text)
        return code or ""

    def _number(self, text: str, place: int | str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not SCALE[0] <= value <= SCALE[1]:
            blank = not text.strip() or text.strip().casefold() == "nan"
            what = "blank" if blank else f"outside {SCALE[0]} to {SCALE[1]}"
            self._warn(f"ratings that are {what} (stored as nan)", place, "" if blank else text)
            return math.nan
        self._numbers[text] = value  # valid ones only: each of the others is a warning
        return value

    def _warn(self, what: str, place: int | str, detail: str = "") -> None:
        self._findings.warn(what, where=f"{self._path}:{place}: {detail}".removesuffix(": "))


def secondary_codes(text: str) -> tuple[str, ...]:
    """Returns the codes of a comma list of labels, each once; words of a free text behind "Other-" are no labels."""
    codes: dict[str, None] = {}
    for word in text.split(","):
        word = word.strip().casefold()
        code = OTHER if word.startswith("other") else SECONDARY.get(word)
        if code:
            codes[code] = None
    return tuple(codes)
