"""Reads TESS: two actresses, 200 words in a carrier phrase, seven emotions; the file name is the only label."""

import re
from collections import Counter
from pathlib import Path

from ambiser.config.data_keys import Data
from ambiser.corpora.corpus import Corpus
from ambiser.corpora.findings import Findings
from ambiser.corpora.named_clips import acted_utterance, compare_counts, find_clips

HOME = "https://doi.org/10.5683/SP2/E8H2MF"
EMOTIONS = {
    "neutral": "neu",
    "happy": "hap",
    "sad": "sad",
    "angry": "ang",
    "fear": "fea",
    "disgust": "dis",
    "ps": "sur",
    "pleasant_surprise": "sur",
    "pleasant_surprised": "sur",
}
# OA_bite_neutral lacks the F of its speaker.
CLIP = re.compile(rf"([OY]A)F?_([a-z]+)_({'|'.join(EMOTIONS)})", re.IGNORECASE)
CLIPS = {"OAF": 1400, "YAF": 1400}


def read_tess(corpus_dir: Path, data: Data) -> Corpus:
    """Reads the clips of both speakers; every clip has one vote: the acted emotion.

    Raises:
        DataError: the folder holds no clip.
    """
    findings, root = Findings(data.allow_incomplete), Path(corpus_dir)
    utterances = []
    for clip, wav in find_clips(root, CLIP, findings, corpus="TESS", home=HOME).items():
        speaker, word, emotion = CLIP.fullmatch(clip).groups()
        text = f"Say the word {word.lower()}."
        code = EMOTIONS[emotion.lower()]
        utterances.append(acted_utterance(clip, wav, code, speaker=f"{speaker.upper()}F", gender="f", text=text))
    compare_counts(root, Counter(u.speaker for u in utterances), CLIPS, findings)
    return Corpus("tess", utterances, findings)
