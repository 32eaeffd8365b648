"""CREMA-D: 91 actors say twelve sentences in six emotions; what was heard is the label, what was acted is kept."""

import csv
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ambiser.config.data_keys import Data
from ambiser.corpora.corpus import Corpus, Findings, Utterance, Vote
from ambiser.errors import DataError
from ambiser.labels.vote_table import ANONYMOUS

HOME = "https://github.com/CheyneyComputerScience/CREMA-D"
CLIP = re.compile(r"(\d{4})_([A-Z]{3})_(ANG|DIS|FEA|HAP|NEU|SAD)_(LO|MD|HI|XX?)")
LETTERS = {"A": "ang", "D": "dis", "F": "fea", "H": "hap", "N": "neu", "S": "sad"}
ACTED = {"ANG": "ang", "DIS": "dis", "FEA": "fea", "HAP": "hap", "NEU": "neu", "SAD": "sad"}
SENTENCES = {
    "IEO": "It's eleven o'clock.",
    "TIE": "That is exactly what happened.",
    "IOM": "I'm on my way to the meeting.",
    "IWW": "I wonder what this is about.",
    "TAI": "The airplane is almost full.",
    "MTI": "Maybe tomorrow it will be cold.",
    "IWL": "I would like a new alarm clock.",
    "ITH": "I think I have a doctor's appointment.",
    "DFA": "Don't forget a jacket.",
    "ITS": "I think I've seen this before.",
    "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}
DEFECTS = {
    "1076_MTI_SAD_XX": "known defect: the clip is silent",
    "1076_MTI_NEU_XX": "known defect: listeners heard a broken file",
    "1064_TIE_SAD_XX": "known defect: listeners heard a broken file",
    "1064_IEO_DIS_MD": "known defect: listeners heard a broken file",
    "1006_TIE_HAP_XX": "known defect: byte-identical to 1006_TIE_NEU_XX",
    "1006_TIE_NEU_XX": "known defect: byte-identical to 1006_TIE_HAP_XX",
    "1013_WSI_DIS_XX": "known defect: byte-identical to 1013_WSI_SAD_XX",
    "1013_WSI_SAD_XX": "known defect: byte-identical to 1013_WSI_DIS_XX",
    "1017_IWW_ANG_XX": "known defect: byte-identical to 1017_IWW_FEA_XX",
    "1017_IWW_FEA_XX": "known defect: byte-identical to 1017_IWW_ANG_XX",
}
SLOWEST_MS = 10000
_HEARD = "1"  # query types: 1 voice alone, 2 face alone, 3 both
_TABLE = Path("processedResults") / "tabulatedVotes.csv"
_RESPONSES = "finishedResponses.csv"
_NO_AUDIO = "has votes and no audio here"


def read_crema_d(corpus_dir: Path, data: Data) -> Corpus:
    """Reads a download of CREMA-D, or a part of one.

    The votes are those for the voice alone (query type 1). With finishedResponses.csv every vote has its rater;
    without it the counts of processedResults/tabulatedVotes.csv become raters anon01, anon02, ... of each clip, and
    the same name in two clips is not the same person. The released consensus is the plurality of the table. Known
    defects of the corpus are left out and listed, and so are clips without audio.

    Raises:
        DataError: the folder is not CREMA-D, or a table or clip has a fault.
    """
    findings = Findings(data.allow_incomplete)
    root = find_root(corpus_dir)
    wavs = _find_wavs(root, findings)
    tabulated = read_table_of_votes(root / _TABLE, findings)
    votes = {clip: list_anonymous(counts) for clip, counts in tabulated.items()}
    if (root / _RESPONSES).is_file():
        votes |= _read_named(root / _RESPONSES, tabulated, findings)
    else:
        findings.warn(f"no {_RESPONSES}: raters are anonymous, one name a vote of a clip ({ANONYMOUS}01, ...)")
    genders = _read_genders(root / "VideoDemographics.csv", findings)
    utterances = []
    for clip in sorted(votes):
        if clip in DEFECTS:
            findings.drop(clip, DEFECTS[clip])
        elif clip not in wavs:
            findings.drop(clip, _NO_AUDIO)
        elif not votes[clip]:
            findings.leave_out(clip, "has no votes", root / _TABLE)
        else:
            utterances.append(_utterance(clip, wavs[clip], votes[clip], genders.get(clip[:4], "u")))
    for clip in sorted(wavs.keys() - votes.keys() - DEFECTS.keys()):
        findings.leave_out(clip, "has audio and no votes", wavs[clip])
    return Corpus("crema_d", utterances, findings, version="1.0")


def find_root(corpus_dir: Path) -> Path:
    """Returns the folder when it holds AudioWAV and the votes.

    Raises:
        DataError: it does not; the message says what is missing, names a folder near it that does, and where to get it.
    """
    corpus_dir = Path(corpus_dir)
    if _is_root(corpus_dir):
        return corpus_dir
    if not corpus_dir.is_dir():
        raise DataError(f"{corpus_dir} is no folder; --corpus_dir must name a copy of CREMA-D; get it from {HOME}")
    near = [*sorted(p for p in corpus_dir.iterdir() if p.is_dir()), *list(corpus_dir.resolve().parents)[:2]]
    for candidate in filter(_is_root, near):
        raise DataError(f"{corpus_dir} is not CREMA-D itself, {candidate} is; use --corpus_dir {candidate}")
    missing = [str(p) for p in ("AudioWAV", _TABLE) if not (corpus_dir / p).exists()]
    raise DataError(
        f"{corpus_dir} is not CREMA-D: {' and '.join(missing)} not found; get it from {HOME} (git lfs brings the audio)"
    )


def read_table_of_votes(path: Path, findings: Findings) -> dict[str, Counter]:
    """Reads the votes for the voice alone from tabulatedVotes.csv.

    The first column is the query type times 100,000 plus the number of the clip.

    Returns:
        The number of votes by code, for every clip.

    Raises:
        DataError: with file and line, for a column, clip or number that is not as it should be.
    """
    tabulated: dict[str, Counter] = {}
    for line, row in _rows(path, ("", *LETTERS, "fileName", "numResponses")):
        if not row[""].startswith(_HEARD) or len(row[""]) != 6:
            continue
        clip = _clip_name(row["fileName"], f"{path}:{line}")
        try:
            counts = Counter({code: int(row[letter]) for letter, code in LETTERS.items()})
            total = int(row["numResponses"])
        except ValueError as error:
            raise DataError(f"{path}:{line}: {clip}: votes must be whole numbers: {error}") from error
        if min(counts.values()) < 0 or clip in tabulated:
            fault = "stands twice; remove one line" if clip in tabulated else "has a negative number of votes"
            raise DataError(f"{path}:{line}: {clip} {fault}")
        if total != counts.total():
            findings.warn("numResponses is not the sum of the votes", where=f"{path}:{line}: {clip}")
        tabulated[clip] = counts
    if not tabulated:
        raise DataError(f"{path}: holds no votes for the voice alone (rows 1xxxxx); the file is empty or cut off")
    return tabulated


def list_anonymous(counts: Counter) -> list[Vote]:
    """Turns counts into one vote each, by raters who are only numbered within the clip."""
    labels = [code for code in LETTERS.values() for _ in range(counts[code])]
    return [Vote(f"{ANONYMOUS}{i:02d}", "outside", label) for i, label in enumerate(labels, start=1)]


def read_responses(path: Path, findings: Findings) -> dict[str, list[Vote]]:
    """Reads the votes for the voice alone with their raters from finishedResponses.csv.

    As in the table of votes, answers after more than ten seconds are not counted, and of several answers of one
    rater to one clip the first is.

    Raises:
        DataError: with file and line, for a column, clip or time that is not as it should be.
    """
    votes: dict[str, dict[str, Vote]] = {}
    for line, row in _rows(path, ("localid", "ttr", "queryType", "clipName", "respEmo")):
        if row["queryType"] != _HEARD:
            continue
        where = f"{path}:{line}"
        clip = _clip_name(row["clipName"], where)
        try:
            slow = float(row["ttr"]) > SLOWEST_MS
        except ValueError as error:
            raise DataError(f"{where}: ttr must be a number, got {row['ttr']!r}") from error
        rater = row["localid"].strip()
        if slow:
            findings.warn(f"responses after more than {SLOWEST_MS / 1000:g} s (not counted)")
        elif row["respEmo"] not in LETTERS:
            findings.warn("responses that are no emotion (not counted)", where=f"{where}: {row['respEmo']}")
        elif rater in votes.setdefault(clip, {}):
            findings.warn("second responses of a rater to a clip (not counted)", where=f"{where}: {rater} {clip}")
        else:
            votes[clip][rater] = Vote(f"r{rater}", "outside", LETTERS[row["respEmo"]])
    return {clip: list(given.values()) for clip, given in votes.items()}


def _read_named(path: Path, tabulated: dict[str, Counter], findings: Findings) -> dict[str, list[Vote]]:
    """Reads the responses, lists where they and the table differ, and returns those of the clips in the table."""
    named = read_responses(path, findings)
    for clip, counts in tabulated.items():
        if Counter(v.label for v in named.get(clip, [])) != +counts:
            findings.warn(f"clips whose {_RESPONSES} and {_TABLE.name} differ (the responses count)", where=clip)
    return {clip: given for clip, given in named.items() if clip in tabulated and given}


def _utterance(clip: str, wav: Path, votes: list[Vote], gender: str) -> Utterance:
    actor, sentence, emotion, _ = CLIP.fullmatch(clip).groups()
    ranked = Counter(v.label for v in votes).most_common(2)
    tied = len(ranked) == 2 and ranked[0][1] == ranked[1][1]
    return Utterance(
        utt=clip,
        wav=wav,
        speaker=actor,
        gender=gender,
        session=actor,
        label="xxx" if tied else ranked[0][0],
        text=SENTENCES[sentence],
        votes=tuple(votes),
        ratings=(),
        acted=ACTED[emotion],
    )


def _is_root(folder: Path) -> bool:
    return (folder / "AudioWAV").is_dir() and (folder / _TABLE).is_file()


def _find_wavs(root: Path, findings: Findings) -> dict[str, Path]:
    wavs: dict[str, Path] = {}
    for path in sorted((root / "AudioWAV").iterdir()):
        if path.name.startswith("."):
            findings.warn("hidden files such as macOS's ._* (ignored)")
        elif path.suffix.lower() != ".wav" or not CLIP.fullmatch(path.stem):
            findings.warn("files of AudioWAV whose name is no clip (ignored)", where=path)
        else:
            wavs[_clip_name(path.stem, str(path))] = path
    if not wavs:
        raise DataError(f"{root / 'AudioWAV'} holds no clip; get the audio with: git lfs pull")
    return wavs


def _read_genders(path: Path, findings: Findings) -> dict[str, str]:
    if not path.is_file():
        findings.warn(f"no {path.name}: genders are unknown")
        return {}
    return {row["ActorID"]: row["Sex"][:1].lower() for _, row in _rows(path, ("ActorID", "Sex"))}


def _clip_name(text: str, where: str) -> str:
    """Returns the name of a clip; 1040_ITH_SAD_XX lacks an X in some copies."""
    clip = text.strip() + ("X" if text.strip().endswith("_X") else "")
    match = CLIP.fullmatch(clip)
    if match is None or match[2] not in SENTENCES:
        raise DataError(f"{where}: {text!r} is no name of a clip (ACTOR_SENTENCE_EMOTION_LEVEL)")
    return clip


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yields line number and fields of every row of a CSV table.

    Raises:
        DataError: it cannot be read, lacks a column, or a row has too few fields.
    """
    try:
        with open(path, encoding="utf-8-sig", errors="replace", newline="") as stream:
            reader = csv.DictReader(stream)
            missing = [name or '""' for name in columns if name not in (reader.fieldnames or [])]
            if missing:
                raise DataError(f"{path}:1: the header lacks {', '.join(missing)}; get the file again from {HOME}")
            for row in reader:
                if any(row[name] is None for name in columns):
                    raise DataError(f"{path}:{reader.line_num}: too few fields; the file is cut off")
                yield reader.line_num, row
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
