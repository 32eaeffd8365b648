"""Reads RAVDESS speech: 24 actors, two statements, eight emotions; the file name is the only label."""

import re
from collections import Counter
from pathlib import Path

from ambiser.config.data_keys import Data
from ambiser.corpora.corpus import Corpus
from ambiser.corpora.findings import Findings
from ambiser.corpora.named_clips import acted_utterance, compare_counts, find_clips

HOME = "https://zenodo.org/records/1188976 (Audio_Speech_Actors_01-24.zip)"
# Modality, vocal channel, emotion, intensity, statement, repetition, actor
CLIP = re.compile(r"(0[1-3])-(0[12])-(0[1-8])-(0[12])-(0[12])-(0[12])-(0[1-9]|1\d|2[0-4])")
EMOTIONS = {
    "01": "neu",
    "02": "cal",
    "03": "hap",
    "04": "sad",
    "05": "ang",
    "06": "fea",
    "07": "dis",
    "08": "sur",
}
STATEMENTS = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}
CLIPS = {f"actor{number:02d}": 60 for number in range(1, 25)}
_AUDIO_ONLY, _SPEECH = "03", "01"


def read_ravdess(corpus_dir: Path, data: Data) -> Corpus:
    """Reads the audio-only speech clips; songs, and the sound of videos, are left out and listed.

    Every clip has one vote: the acted emotion. Actors with odd numbers are men.

    Raises:
        DataError: the folder holds no clip.
    """
    findings, root = Findings(data.allow_incomplete), Path(corpus_dir)
    utterances = []
    for clip, wav in find_clips(root, CLIP, findings, corpus="RAVDESS", home=HOME).items():
        modality, channel, emotion, _, statement, _, actor = CLIP.fullmatch(clip).groups()
        if channel != _SPEECH:
            findings.drop(clip, "is a song, not speech")
        elif modality != _AUDIO_ONLY:
            findings.drop(clip, "is the sound of a video; the audio-only clip counts")
        else:
            gender = "m" if int(actor) % 2 else "f"
            code, text = EMOTIONS[emotion], STATEMENTS[statement]
            utterances.append(acted_utterance(clip, wav, code, speaker=f"actor{actor}", gender=gender, text=text))
    compare_counts(root, Counter(u.speaker for u in utterances), CLIPS, findings)
    return Corpus("ravdess", utterances, findings)
