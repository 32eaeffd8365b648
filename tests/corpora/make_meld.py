"""Makes a miniature in the layout of MELD.Raw, with all irregularities of the release."""

import csv
from pathlib import Path

from corpora.tiny_wavs import write_wavs

COLUMNS = (
    "Sr No.",
    "Utterance",
    "Speaker",
    "Emotion",
    "Sentiment",
    "Dialogue_ID",
    "Utterance_ID",
    "Season",
    "Episode",
    "StartTime",
    "EndTime",
)
TABLES = {
    "train": "train/train_sent_emo.csv",
    "dev": "dev_sent_emo.csv",
    "test": "test_sent_emo.csv",
}
FOLDERS = {"train": "train/train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
# Words, speaker, emotion, dialogue, number. The train table holds characters of Windows-1252 as U+0080 to U+009F.
ROWS = {
    "train": [
        ("my company\x92s transition\x85", "Chandler", "neutral", 0, 0),
        ("You must\x92ve, \x93well\x94", "The Interviewer", "surprise", 0, 1),
        ("Really?!", "Chandler", "joy", 0, 3),  # a number is skipped
        ('He said, "Bob."', "Ross", "sadness", 1, 0),
        ("Nobody!", "Phoebe", "anger", 125, 3),  # its video is damaged
    ],
    "dev": [
        ("he’s lost it.", "Phoebe", "fear", 0, 0),
        ("Hey!", "All", "joy", 0, 1),
        ("Good.", "Ross", "neutral", 110, 7),  # has no video
    ],
    "test": [
        ("Why?", "chandler", "disgust", 0, 0),
        ("Hi.", "Mrs. Green", "neutral", 0, 1),
    ],
}
NO_AUDIO = {"train_dia125_utt3", "dev_dia110_utt7"}


def make_meld(root: Path) -> Path:
    """Writes the tables, and one wav per utterance beside its video."""
    for part, rows in ROWS.items():
        path = root / TABLES[part]
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(COLUMNS)
            for i, (words, speaker, emotion, dialogue, number) in enumerate(rows, start=1):
                times = ("00:16:16,059", "00:16:16,159") if i % 2 else ("0:12:43,012", "0:12:43,112")
                writer.writerow([i, words, speaker, emotion, "neutral", dialogue, number, 8, 21, *times])
        names = [f"dia{dialogue}_utt{number}" for *_, dialogue, number in rows]
        write_wavs(root / FOLDERS[part] / f"{n}.wav" for n in names if f"{part}_{n}" not in NO_AUDIO)
        for name in names:
            (root / FOLDERS[part] / f"{name}.mp4").touch()
    extra = ("dia66_utt9.wav", "._dia0_utt0.wav", "final_videos_testdia101_utt0.wav")
    write_wavs(root / FOLDERS["test"] / name for name in extra)
    return root
