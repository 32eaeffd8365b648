"""Reads MSP-IMPROV: six sessions of two actors, each turn rated by at least five people; see its README."""

import os
import re
from pathlib import Path

from ambiser.config.data_keys import Data
from ambiser.corpora.corpus import Corpus, Utterance
from ambiser.corpora.findings import Findings
from ambiser.corpora.improv_grammar import LETTERS, Turn, read_evaluation
from ambiser.corpora.msp_podcast import plurality
from ambiser.corpora.named_clips import list_audio
from ambiser.errors import DataError
from ambiser.io.files import read_file

HOME = "https://ecs.utdallas.edu/research/researchlabs/msp-lab/MSP-Improv.html"
TURNS = 8438
# Sentence and target emotion, actor of the target sentence, kind of recording, who speaks to whom, number of the turn.
NAME = re.compile(r"(?:MSP|UTD)-IMPROV-(S\d\d)([AHSN])-([FM])(\d\d)-([PRST])-([FM])([FM])(\d\d\d?)")
KINDS = {"P": "natural", "R": "target read", "S": "other improvised", "T": "target improvised"}
_TARGETS = "RT"
_TABLES = ("Evaluation.txt", "Evalution.txt")


def read_msp_improv(corpus_dir: Path, data: Data) -> Corpus:
    """Reads a release; each rater's primary emotion is a vote, the other emotions are secondary labels.

    Both actors of a session are in the same part of every fold. The first letter of the turn (FM01) is taken as the
    speaker, so that S01A-F02-S-MF01 is spoken by the man of session 2. Arousal is stored as 6 - A, because the
    release counts it from 1 (very active) to 5.

    Raises:
        DataError: the folder is no release, or its table of labels is damaged.
    """
    findings, root = Findings(data.allow_incomplete), Path(corpus_dir)
    table = _find_table(root)
    turns = read_evaluation(table, findings)
    wavs: dict[str, Path] = {}
    for path in list_audio(root, findings):
        if not NAME.fullmatch(path.stem):
            findings.warn("audio files that are not named like turns (ignored)", where=path)
        elif wavs.setdefault(_plain(path.stem), path) != path:
            findings.warn("copies of turns in a second folder (ignored)", where=path)
    if not wavs:
        raise DataError(f"{root} holds no audio named like its turns (MSP-IMPROV-S01A-F01-P-FM01.wav); unpack Audio")
    texts = _read_texts(root, findings)
    utterances = _join(turns, wavs, texts, table=table, findings=findings)
    for utt in sorted(wavs.keys() - turns.keys()):
        findings.drop(utt, "has audio but no label")
    if len(turns) != TURNS:
        findings.miss(f"holds {len(turns)} turns instead of {TURNS}", table)
    _check_arousal(utterances, findings)
    return Corpus("msp_improv", utterances, findings)


def _join(
    turns: dict[str, Turn], wavs: dict[str, Path], texts: dict[str, str], *, table: Path, findings: Findings
) -> list[Utterance]:
    """Joins labels, audio and words by name; lists or refuses what has no partner."""
    utterances = []
    for utt in sorted(turns):
        turn = turns[utt]
        if not NAME.fullmatch(utt):
            findings.error("is not the name of a turn", table, utt)
        elif utt not in wavs:
            findings.leave_out(utt, "has labels but no audio", table)
        elif not turn.votes:
            findings.leave_out(utt, "has a consensus label and no votes", table)
        else:
            found = plurality(turn.votes)
            if found != turn.label:
                where = f"{utt}: released {turn.label}, votes {found}"
                findings.warn("released consensus that is not the plurality of the votes", where=where)
            utterances.append(_utterance(utt, wavs[utt], turn, texts.get(utt, "")))
    silent = sum(not u.text for u in utterances)
    if silent:
        findings.warn("utterances without a transcript (empty text)", silent)
    return utterances


def _utterance(utt: str, wav: Path, turn: Turn, text: str) -> Utterance:
    sentence, emotion, target, session, kind, speaker, _, _ = NAME.fullmatch(utt).groups()
    return Utterance(
        utt=utt,
        wav=wav,
        speaker=f"{speaker}{session}",
        gender=speaker.lower(),
        session=f"session{int(session)}",
        label=turn.label,
        text=text,
        votes=turn.votes,
        ratings=turn.ratings,
        recording=f"{sentence}{emotion}-{target}{session}" + ("-R" if kind == "R" else ""),
        acted=LETTERS[emotion] if kind in _TARGETS else "",
    )


def _check_arousal(utterances: list[Utterance], findings: Findings) -> None:
    """Warns if the reversed scale makes sad turns more aroused than angry ones: the release then counts upwards."""
    values: dict[str, list[float]] = {"ang": [], "sad": []}
    for u in utterances:
        values.get(u.label, []).extend(r.arousal for r in u.ratings if r.arousal == r.arousal)
    means = {label: sum(given) / len(given) for label, given in values.items() if given}
    if len(means) == len(values) and means["ang"] < means["sad"]:
        findings.warn("arousal is higher for sad than for angry turns: the scale of A may not be reversed here")


def _find_table(root: Path) -> Path:
    """Returns the table of labels, in the folder or one below it.

    Raises:
        DataError: there is none.
    """
    if not root.is_dir():
        raise DataError(f"{root} is not a folder; --corpus_dir must name a release of MSP-IMPROV, see {HOME}")
    for name in _TABLES:
        for path in sorted([*root.glob(name), *root.glob(f"*/{name}")]):
            return path
    raise DataError(f"{root} is not MSP-IMPROV: neither {' nor '.join(_TABLES)} found; it comes from {HOME}")


def _read_texts(root: Path, findings: Findings) -> dict[str, str]:
    """Returns the words of every text file that is named like a turn, anywhere below the folder."""
    texts = {}
    for folder, _, files in os.walk(root, followlinks=True):
        for name in sorted(files):
            path = Path(folder) / name
            if path.suffix.lower() == ".txt" and NAME.fullmatch(path.stem):
                content = read_file(path)
                findings.note_input(path, content)
                texts.setdefault(_plain(path.stem), " ".join(content.decode("utf-8", errors="ignore").split()))
    return texts


def _plain(stem: str) -> str:
    """Returns the name of a turn as the audio files have it; the labels name the videos, UTD-IMPROV-..."""
    return stem.replace("UTD-", "MSP-", 1)
