"""Reads CREMA-D: 91 actors, twelve sentences, six emotions; the label is the heard emotion, not the acted one."""

from collections import Counter
from pathlib import Path

from ambiser.config.data_keys import Data
from ambiser.corpora.corpus import Corpus, Utterance, Vote, gender_code
from ambiser.corpora.crema_d_tables import (
    ACTED,
    CLIP,
    HOME,
    SENTENCES,
    clip_name,
    list_anonymous,
    read_responses,
    read_rows,
    read_table_of_votes,
)
from ambiser.corpora.findings import Findings
from ambiser.corpora.near_misses import find_near_miss, find_root_near
from ambiser.corpora.text_files import list_folder
from ambiser.errors import DataError
from ambiser.labels.vote_table import ANONYMOUS

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
_TABLE = Path("processedResults") / "tabulatedVotes.csv"
_RESPONSES = "finishedResponses.csv"
_NO_AUDIO = "has votes and no audio here"


def read_crema_d(corpus_dir: Path, data: Data) -> Corpus:
    """Reads a download of CREMA-D, or a part of one.

    The votes are those for the voice alone (query type 1). With finishedResponses.csv every vote has its rater;
    without it the counts of processedResults/tabulatedVotes.csv become raters anon01, anon02, ... of each clip, and
    the same name in two clips is not the same person. The released consensus is the plurality of the table. Known
    defects of the corpus are left out and listed, and so are clips without audio. Faults of tables and clips are added
    to the findings, all of them.

    Raises:
        DataError: the folder is not CREMA-D.
    """
    findings = Findings(data.allow_incomplete)
    root = find_root(corpus_dir)
    wavs = _find_wavs(root, findings)
    tabulated = read_table_of_votes(root / _TABLE, findings)
    votes = {clip: list_anonymous(counts) for clip, counts in tabulated.items()}
    if (root / _RESPONSES).is_file():
        votes |= _read_named(root / _RESPONSES, tabulated, findings)
    else:
        findings.warn(f"no {_RESPONSES}: raters are anonymous, named per clip and vote ({ANONYMOUS}01, ...)")
    genders = _read_genders(root / "VideoDemographics.csv", findings)
    damaged = any(not fault.optional for fault in findings.faults)  # then votes may be missing for that reason
    utterances = []
    for clip in sorted(votes):
        if clip in DEFECTS:
            findings.drop(clip, DEFECTS[clip])
        elif clip not in wavs:
            _miss_audio(root, clip, findings)
        elif not votes[clip] and not damaged:
            findings.leave_out(clip, "has no votes", root / _TABLE)
        else:
            utterances.append(_utterance(clip, wavs[clip], votes[clip], genders.get(clip[:4], "u")))
    for clip in () if damaged else sorted(wavs.keys() - votes.keys() - DEFECTS.keys()):
        findings.leave_out(clip, "has audio but no votes", wavs[clip])
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
        raise DataError(f"{corpus_dir} is not a folder; --corpus_dir must name a copy of CREMA-D; get it from {HOME}")
    candidate = find_root_near(corpus_dir, _is_root, levels_up=2)
    if candidate:
        raise DataError(f"{corpus_dir} is not CREMA-D itself, {candidate} is; use --corpus_dir {candidate}")
    missing = [str(p) for p in ("AudioWAV", _TABLE) if not (corpus_dir / p).exists()]
    raise DataError(
        f"{corpus_dir} is not CREMA-D: {' and '.join(missing)} not found; get it from {HOME} (git lfs brings the audio)"
    )


def _miss_audio(root: Path, clip: str, findings: Findings) -> None:
    """Leaves out a clip that was not downloaded; refuses one whose audio has another name."""
    wav = root / "AudioWAV" / f"{clip}.wav"
    how, found = find_near_miss(wav)
    if found:
        findings.leave_out(clip, f"has no audio, but {how}", wav, found)
    else:
        findings.drop(clip, _NO_AUDIO)


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
    tied = not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1])
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
    found: list[Path] = []
    with findings.collect():
        found = list_folder(root / "AudioWAV")
    for path in found:
        if path.name.startswith("."):
            findings.warn("hidden files such as macOS's ._* (ignored)")
        elif path.suffix.lower() != ".wav" or not CLIP.fullmatch(path.stem):
            findings.warn("files of AudioWAV that are not named like clips (ignored)", where=path)
        elif clip := clip_name(path.stem, str(path), findings):
            wavs[clip] = path
    if not wavs and not findings.faults:
        findings.error("contains no clips; get the audio with: git lfs pull", root / "AudioWAV")
    return wavs


def _read_genders(path: Path, findings: Findings) -> dict[str, str]:
    if not path.is_file():
        findings.warn(f"no {path.name}: genders are unknown")
        return {}
    genders = {}
    for line, row in read_rows(path, ("ActorID", "Sex"), findings):
        genders[row["ActorID"]] = gender_code(row["Sex"]) or "u"
        if not gender_code(row["Sex"]):
            findings.error("Sex must be Female or Male", f"{path}:{line}", row["Sex"])
    return genders
