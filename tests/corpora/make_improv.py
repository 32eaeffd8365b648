"""Makes a miniature in the layout of MSP-IMPROV: three sessions, all kinds of recordings, made-up votes."""

from pathlib import Path

import numpy as np
from corpora.tiny_wavs import write_wavs

WORDS = {"A": "Angry", "H": "Happy", "S": "Sad", "N": "Neutral"}
# The blank before the semicolon of D, and NaN, are in the release.
HEADER = "UTD-IMPROV-{name}.avi; {letter}; A:{act:.6f}; V:{val:.6f}; D:{dom:.6f} ; N:4.200000;\n"
RATER = "{rater}; {primary}; {others}; A:{act:.6f}; V:{val:.6f}; D:{dom}; N:NaN;\n"
COMMENT = 'Neutral,Other (not sure - "tired"; a bit/bored?)'


def names() -> list[str]:
    """Turns of both actors in all kinds of recordings; targets are spoken by the actor of the name."""
    found = []
    for session in ("01", "02", "03"):
        for emotion, actor, own, other in (("A", "F", "FM01", "MF01"), ("H", "M", "MF01", "FM01")):
            turn = f"S01{emotion}-{actor}{session}"
            found += [f"{turn}-T-{own}", f"{turn}-S-{own}", f"{turn}-S-{other}"]
        found += [f"S01A-F{session}-R-FF01", f"S01S-M{session}-R-MM01", f"S01N-M{session}-P-FM01"]
    return found


def make_improv(root: Path) -> dict[str, dict[str, str]]:
    """Writes a release and returns the primary word of each rater by turn."""
    rng, given, blocks = np.random.default_rng(3), {}, []
    for name in names():
        acted = name[3]
        votes = given[f"MSP-IMPROV-{name}"] = {}
        for i in rng.permutation(9)[:5]:
            letter = acted if rng.random() < 0.6 else "N"
            votes[f"WORKER-p{i}_x"] = WORDS[letter]
        blocks.append(block(name, votes, acted))
    (root / "Text").mkdir(parents=True)
    (root / "Evalution.txt").write_text("\n".join(blocks) + "\n")
    for name in names():
        sentence, actor, kind, _ = name.split("-")
        write_wavs([root / f"Audio/session{int(actor[1:])}/{sentence}/{kind}/MSP-IMPROV-{name}.wav"], rate_hz=44100)
        (root / f"Text/MSP-IMPROV-{name}.txt").write_text("How can I not?\n")
    return given


def block(name: str, votes: dict[str, str], acted: str) -> str:
    """Returns the lines of a turn; arousal counts down from 1 (very active)."""
    counts = {word: list(votes.values()).count(word) for word in WORDS.values()}
    best = [letter for letter, word in WORDS.items() if counts[word] == max(counts.values())]
    act = 1.5 if acted == "A" else 4.0
    lines = [HEADER.format(name=name, letter=best[0] if len(best) == 1 else "X", act=act, val=2, dom=3)]
    for i, (rater, word) in enumerate(votes.items()):
        others, dom = (("", "NaN"), (COMMENT, "3.000000"), ("Frustrated,Depressed", "3.000000"))[i % 3]
        lines.append(RATER.format(rater=rater, primary=word, others=others, act=act, val=2, dom=dom))
    return "".join(lines)
