"""Reads IEMOCAP_full_release: joins the files of every session by turn and checks the counts of the release."""

from collections import Counter
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from ambiser.config.data_keys import Data
from ambiser.corpora.corpus import Corpus, Utterance
from ambiser.corpora.findings import Findings
from ambiser.corpora.iemocap_grammar import TURN, Turn, read_evaluation, read_transcription
from ambiser.corpora.near_misses import find_near_miss, find_root_near
from ambiser.corpora.text_files import list_folder
from ambiser.errors import DataError
from ambiser.io.console import log

SESSIONS = tuple(f"Session{number}" for number in range(1, 6))
FOUR_CLASSES = ("ang", "hap", "exc", "sad", "neu")
FULL_RELEASE: dict[str, int] = {
    "dialogs": 151,
    "utterances": 10039,
    "transcripts": 10039,
    "utterances of Ses01": 1819,
    "utterances of Ses02": 1811,
    "utterances of Ses03": 2136,
    "utterances of Ses04": 2103,
    "utterances of Ses05": 2170,
    "utterances of Ses01F": 873,
    "utterances of Ses01M": 946,
    "utterances of Ses02F": 859,
    "utterances of Ses02M": 952,
    "utterances of Ses03F": 1048,
    "utterances of Ses03M": 1088,
    "utterances of Ses04F": 987,
    "utterances of Ses04M": 1116,
    "utterances of Ses05F": 1033,
    "utterances of Ses05M": 1137,
    "code ang": 1103,
    "code hap": 595,
    "code exc": 1041,
    "code sad": 1084,
    "code neu": 1708,
    "code fru": 1849,
    "code fea": 40,
    "code sur": 107,
    "code dis": 2,
    "code oth": 3,
    "code xxx": 2507,
    "ang hap exc sad neu": 5531,
    "ang hap exc sad neu of Ses01": 1085,
    "ang hap exc sad neu of Ses02": 1023,
    "ang hap exc sad neu of Ses03": 1151,
    "ang hap exc sad neu of Ses04": 1031,
    "ang hap exc sad neu of Ses05": 1241,
}
_SHOWN = 6


def read_iemocap(corpus_dir: Path, data: Data) -> Corpus:
    """Reads the full release and checks its counts; see `read_release`."""
    return read_release(corpus_dir, allow_incomplete=data.allow_incomplete, expected_counts=FULL_RELEASE)


def read_release(
    corpus_dir: Path, *, allow_incomplete: bool = False, expected_counts: Mapping[str, int] | None = None
) -> Corpus:
    """Reads a folder in IEMOCAP's layout.

    The speaker is the session and the letter of the turn: Ses01F_impro01_M000 is spoken by Ses01M.

    Args:
        corpus_dir: the folder that holds Session1 to Session5.
        allow_incomplete: leave out turns with a fault, and accept other counts, with a warning each.
        expected_counts: what to check, as in FULL_RELEASE; None checks nothing.

    Faults (in files, turns without wav or labels, other counts) are added to the findings.

    Raises:
        DataError: the folder is not IEMOCAP, or a file cannot be read.
    """
    findings = Findings(allow_incomplete)
    root = find_root(corpus_dir)
    turns: dict[str, Turn] = {}
    texts: dict[str, str] = {}
    wavs: dict[str, Path] = {}
    n_dialogs = 0
    for session in SESSIONS:
        folder = root / session
        if not folder.is_dir():
            findings.miss("is missing", folder)
            continue
        for path in _listing(folder / "dialog" / "EmoEvaluation", "Ses0[1-5]*.txt", findings):
            n_dialogs += 1
            _add_new(turns, read_evaluation(path, findings), findings)
        for path in _listing(folder / "dialog" / "transcriptions", "Ses0[1-5]*.txt", findings):
            texts |= read_transcription(path, findings)
        wavs |= _find_wavs(folder / "sentences" / "wav", findings)
    utterances = _join(root, turns=turns, texts=texts, wavs=wavs, findings=findings)
    if expected_counts is not None:
        _check_counts(root, utterances, {"dialogs": n_dialogs, "transcripts": len(texts)}, expected_counts, findings)
    return Corpus("iemocap", utterances, findings)


def find_root(corpus_dir: Path) -> Path:
    """Returns the folder when it holds Session1 to Session5 (one of them is enough here).

    Raises:
        DataError: it does not; when a folder above or below does, the message names that one.
    """
    corpus_dir = Path(corpus_dir)
    if not corpus_dir.is_dir():
        raise DataError(f"{corpus_dir} is not a folder; --corpus_dir must name IEMOCAP_full_release, unpacked")
    if _is_root(corpus_dir):
        return corpus_dir
    candidate = find_root_near(corpus_dir, _is_root, levels_up=4)
    if candidate:
        raise DataError(f"{corpus_dir} is not IEMOCAP itself, {candidate} is; use --corpus_dir {candidate}")
    raise DataError(
        f"{corpus_dir} is not IEMOCAP: it holds no Session1 with dialog/EmoEvaluation; "
        "--corpus_dir must name IEMOCAP_full_release, unpacked"
    )


def _is_root(folder: Path) -> bool:
    return any((folder / session / "dialog" / "EmoEvaluation").is_dir() for session in SESSIONS)


def _listing(folder: Path, pattern: str, findings: Findings) -> list[Path]:
    """Returns the files in bytewise order; the pattern also keeps out macOS's ._ files."""
    if not folder.is_dir():
        findings.miss("is missing", folder)
        return []
    found: list[Path] = []
    with findings.collect():
        found = list_folder(folder)
    junk = sum(path.name.startswith(".") for path in found)
    if junk:
        findings.warn("hidden files such as macOS's ._* (ignored)", junk)
    return sorted((path for path in found if fnmatchcase(path.name, pattern)), key=lambda path: path.name.encode())


def _find_wavs(folder: Path, findings: Findings) -> dict[str, Path]:
    wavs = {}
    for dialog in _listing(folder, "Ses0[1-5]*", findings):
        for path in _listing(dialog, "*.wav", findings):
            if TURN.fullmatch(path.stem):
                wavs[path.stem] = path
            elif not path.name.startswith("."):
                findings.warn("wavs that are not named like turns (ignored)")
    return wavs


def _add_new(turns: dict[str, Turn], new: Mapping[str, Turn], findings: Findings) -> None:
    for name, turn in new.items():
        if name in turns:
            first = f"{name}, first in {turns[name].where}"
            findings.error("the turn appears twice; remove one block", turn.where, first)
        else:
            turns[name] = turn


def _join(
    root: Path, *, turns: Mapping[str, Turn], texts: Mapping[str, str], wavs: Mapping[str, Path], findings: Findings
) -> list[Utterance]:
    """Joins turns, transcripts and wavs by name; adds a fault for what has no partner."""
    utterances = []
    for name in sorted(turns):
        if name not in wavs:
            wav = root / f"Session{name[4]}" / "sentences" / "wav" / name.rpartition("_")[0] / f"{name}.wav"
            how, found = find_near_miss(wav)
            findings.leave_out(name, f"has no audio{how and f', but {how}'}", wav, found)
            continue
        _check_text(root, name, texts, findings)
        utterances.append(_make_utterance(name, turns[name], wavs[name], texts.get(name, "")))
    damaged = {fault.where for fault in findings.faults if not fault.utt}  # label files that hold no turns
    for name in sorted(
        wavs.keys() - turns.keys() - findings.left_out.keys() - {fault.utt for fault in findings.faults}
    ):
        labels = _dialog_file(root, name, "EmoEvaluation")
        if str(labels) in damaged:
            continue
        if labels.is_file():
            findings.leave_out(name, "has no block in EmoEvaluation", wavs[name])
        else:
            how, found = find_near_miss(labels)
            findings.leave_out(name, f"the label file of its dialog is missing{how and f', but {how}'}", labels, found)
    return utterances


def _check_text(root: Path, name: str, texts: Mapping[str, str], findings: Findings) -> None:
    """Counts turns that will have an empty text, by the reason."""
    if texts.get(name):
        return
    path = _dialog_file(root, name, "transcriptions")
    if name in texts:
        findings.warn("transcript lines without words (empty text)", where=f"{path}: {name}")
    elif path.is_file():
        findings.warn("turns without a transcript (empty text)", where=f"{path}: {name}")
    else:
        findings.warn("turns whose dialog has no transcription file (empty text)", where=f"{path}: {name}")


def _dialog_file(root: Path, turn: str, kind: str) -> Path:
    return root / f"Session{turn[4]}" / "dialog" / kind / f"{turn.rpartition('_')[0]}.txt"


def _make_utterance(name: str, turn: Turn, wav: Path, text: str) -> Utterance:
    session, _, _, letter, _ = TURN.fullmatch(name).groups()
    return Utterance(
        utt=name,
        wav=wav,
        speaker=session + letter,
        gender=letter.lower(),
        session=session,
        label=turn.code,
        text=text,
        votes=turn.votes,
        ratings=turn.ratings,
        recording=name.rpartition("_")[0],
        expected_s=turn.duration_s,
    )


def count_utterances(utterances: list[Utterance]) -> Counter:
    """Counts utterances under the names of FULL_RELEASE."""
    counts: Counter = Counter(utterances=len(utterances))
    for utterance in utterances:
        counts[f"utterances of {utterance.session}"] += 1
        counts[f"utterances of {utterance.speaker}"] += 1
        counts[f"code {utterance.label}"] += 1
        if utterance.label in FOUR_CLASSES:
            counts["ang hap exc sad neu"] += 1
            counts[f"ang hap exc sad neu of {utterance.session}"] += 1
    return counts


def _check_counts(
    root: Path, utterances: list[Utterance], others: Mapping[str, int], expected: Mapping[str, int], findings: Findings
) -> None:
    counts = count_utterances(utterances) + Counter(others)
    wrong = [f"{name}: {counts[name]} instead of {n}" for name, n in expected.items() if counts[name] != n]
    if wrong and not findings.faults:  # otherwise the faults explain the counts
        more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        findings.miss(f"is not the full release: {'; '.join(wrong[:_SHOWN])}{more}", root)
    elif not wrong:
        log.info("%s is the full release: all %d counts are right (%s)", root, len(expected), _show(expected))


def _show(expected: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in expected.items())
