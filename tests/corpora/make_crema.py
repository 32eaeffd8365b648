"""Makes a miniature in the layout of a CREMA-D download: six actors, every sentence, tones, made-up votes."""

import csv
from pathlib import Path

import numpy as np
import soundfile

ACTORS = {1001: "Male", 1002: "Female", 1003: "Female", 1004: "Male", 1005: "Female", 1006: "Male"}
SENTENCES = ("IEO", "TIE", "IOM", "IWW", "TAI", "MTI", "IWL", "ITH", "DFA", "ITS", "TSI", "WSI")
EMOTIONS = ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")
LETTERS = "ADFHNS"
PITCH_HZ = dict(zip(EMOTIONS, (330, 150, 390, 270, 200, 110), strict=True))


def quote(rows) -> str:
    return "".join(",".join(f'"{v}"' if isinstance(v, str) else str(v) for v in row) + "\n" for row in rows)


def make_crema(root: Path, *, responses: bool = False) -> dict[str, list[int]]:
    """Writes the corpus and returns the votes for the voice by clip, in the order of LETTERS."""
    rng = np.random.default_rng(5)
    clips = [f"{a}_{s}_{e}_XX" for a in ACTORS for i, s in enumerate(SENTENCES) for e in EMOTIONS[i % 2 :: 2]]
    (root / "AudioWAV").mkdir(parents=True)
    (root / "processedResults").mkdir()
    votes, table, given = {}, [], []
    for number, clip in enumerate(clips, start=1):
        acted = EMOTIONS.index(clip.split("_")[2])
        shares = np.full(6, 0.04) + np.eye(6)[acted] * rng.choice([3.0, 0.3]) + np.eye(6)[4] * 0.3
        votes[clip] = rng.multinomial(rng.integers(5, 11), shares / shares.sum()).tolist()
        tone = np.sin(np.arange(int(rng.integers(5000, 9000))) * PITCH_HZ[EMOTIONS[acted]] * 2 * np.pi / 16000)
        noise = rng.standard_normal(len(tone)) * 0.05
        soundfile.write(root / "AudioWAV" / f"{clip}.wav", 0.2 * tone + noise, 16000, subtype="PCM_16")
        for kind in (1, 2, 3):  # faces (2) and both (3) were judged by others: all sad, so that a mix-up is seen
            counts = votes[clip] if kind == 1 else [0, 0, 0, 0, 0, 9]
            best = [letter for letter, n in zip(LETTERS, counts, strict=True) if n == max(counts)]
            key = str(kind * 100000 + number)
            table.append([key, *counts, clip, sum(counts), max(counts) / sum(counts), ":".join(best), 50.5])
            answers = [letter for letter, n in zip(LETTERS, counts, strict=True) for _ in range(n)]
            raters = rng.choice(40, len(answers), replace=False) + 1
            given += [[int(r), 3000, kind, clip, a] for r, a in zip(raters, answers, strict=True)]
    head = ["", *LETTERS, "fileName", "numResponses", "agreement", "emoVote", "meanEmoResp"]
    (root / "processedResults/tabulatedVotes.csv").write_text(quote([head, *table]))
    people = [[a, 30, sex, "Caucasian", "Not Hispanic"] for a, sex in ACTORS.items()]
    header = ["ActorID", "Age", "Sex", "Race", "Ethnicity"]
    (root / "VideoDemographics.csv").write_text(quote([header, *people]))
    if responses:
        write_responses(root, given)
    return votes


def write_responses(root: Path, given: list[list]) -> None:
    """Writes finishedResponses.csv; `given` holds rater, time in ms, query type, clip and letter."""
    columns = (
        "",
        "localid",
        "pos",
        "ans",
        "ttr",
        "queryType",
        "numTries",
        "clipNum",
        "questNum",
        "subType",
        "clipName",
        "sessionNums",
        "respEmo",
        "respLevel",
        "dispEmo",
        "dispVal",
        "dispLevel",
    )
    with open(root / "finishedResponses.csv", "w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        for i, (rater, time_ms, kind, clip, letter) in enumerate(given, start=1):
            answer = [i, 1, f"{letter}_50", time_ms, kind, 1, i, 1, 4, clip, 1, letter, 50, "N", 0, "X"]
            writer.writerow([i, rater, *answer[1:]])
