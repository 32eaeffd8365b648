"""Reads MSP-Podcast 1.6 to 2.0: joins consensus, raters, parts, speakers, transcripts and audio by file."""

import os
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from ambiser.config.data_keys import Data
from ambiser.corpora.corpus import Corpus, Utterance, Vote
from ambiser.corpora.findings import Findings
from ambiser.corpora.msp_files import find_labels, find_root, find_wavs, read_transcripts
from ambiser.corpora.msp_grammar import read_opinions
from ambiser.corpora.msp_labels import Released, read_released
from ambiser.corpora.msp_opinions import Opinions
from ambiser.corpora.near_misses import AUDIO_ENDINGS
from ambiser.errors import DataError

WITHHELD = "Test3"
_RECORDING = re.compile(r"(MSP-PODCAST_\d+)_")
_VERSION = re.compile(r"\d+\.\d+$")
_STRANGERS = 0.1
_MOST_WITHOUT_VOTES = 0.005


def read_msp_podcast(corpus_dir: Path, data: Data) -> Corpus:
    """Reads a release; its form is found by the headers of its files and not by its version.

    The consensus is recomputed from the primary labels (strict plurality), and every file whose released one differs
    is listed. Files of Test3 have no votes: they can be predicted and not scored. A speaker who is not known counts
    as one person per podcast. Left out and listed are labels without a wav, wavs without a label, and files without
    raters. Faults of files and lines are added to the findings, all of them.

    Raises:
        DataError: the folder is no release, or mixes two.
    """
    findings = Findings(data.allow_incomplete)
    root = find_root(corpus_dir)
    consensus, detailed = find_labels(root)
    released = read_released(root, consensus, findings)
    opinions = read_opinions(detailed, findings)
    damaged = bool(findings.faults)
    if not damaged:  # otherwise missing lines would look like another release
        _check_that_they_fit(consensus, detailed, released, opinions)
    wavs = find_wavs(root, findings)
    unlisted = wavs.keys() - released.keys()
    released |= {file: Released(part=WITHHELD) for file in unlisted if WITHHELD.casefold() in file.casefold()}
    texts = read_transcripts(root, sorted(wavs.keys() & released.keys()), findings)
    utterances = _join(released, opinions, wavs, texts, detailed=detailed, damaged=damaged, findings=findings)
    for file in sorted(wavs.keys() - released.keys() - {f"{u.utt}.wav" for u in utterances}):
        findings.drop(Path(file).stem, "has audio but no label")
    _warn_of_gaps(utterances, findings)
    version = _VERSION.search(root.resolve().name)
    return Corpus("msp_podcast", utterances, findings, version=version[0] if version else "")


def _join(
    released: Mapping[str, Released],
    opinions: Opinions,
    wavs: Mapping[str, Path],
    texts: Mapping[str, str],
    *,
    detailed: Path,
    damaged: bool,
    findings: Findings,
) -> list[Utterance]:
    """Joins labels, votes and audio by file name; lists or refuses what has no partner.

    If label files are `damaged`, utterances without labels stay, so that their audio is checked too.
    """
    split_known = any(said.part for said in released.values()) and not damaged
    cut = _is_cut(released, opinions)
    near = _by_folded_stem(wavs) if len(wavs.keys() & released.keys()) < len(released) else {}
    utterances, unlabeled = [], Released()
    only_rated = (file for file in opinions.votes if file not in released)
    for file in sorted([*released, *only_rated]):  # much of it is sorted, which a set would undo
        said = released.get(file, unlabeled)
        votes = tuple(opinions.votes.pop(file, ()))
        if file not in wavs:
            found = near.get(Path(file).stem.casefold(), "")
            if found and found not in released:
                findings.leave_out(Path(file).stem, "has no audio, but it exists under another name", detailed, found)
            else:
                findings.drop(Path(file).stem, "has labels but no audio")
        elif split_known and not said.part:
            findings.drop(Path(file).stem, "is in no part of the released split")
        elif not votes and said.part != WITHHELD and not damaged:
            if cut and said.label:
                findings.leave_out(Path(file).stem, "has a consensus label and no votes; the file is cut off", detailed)
            else:
                findings.drop(Path(file).stem, "has no votes of raters")
        else:
            ratings = tuple(opinions.ratings.pop(file, ()))
            _compare(file, said, votes, findings)
            utterances.append(_utterance(file, wavs[file], said, votes, ratings, texts.get(file, "")))
    return utterances


def _is_cut(released: Mapping[str, Released], opinions: Opinions) -> bool:
    """Whether the raters' file is cut between lines: the labeled files without votes are its end, or many."""
    labeled = sorted(file for file, said in released.items() if said.label)
    missing = [file for file in labeled if not opinions.votes.get(file)]
    is_end = len(missing) > 1 and labeled[-len(missing) :] == missing
    return bool(missing) and (is_end or len(missing) > _MOST_WITHOUT_VOTES * len(labeled))


def _by_folded_stem(wavs: Mapping[str, Path]) -> dict[str, str]:
    """Returns the names of audio files, also of other formats than wav, by stem in small letters."""
    folder = next(iter(wavs.values())).parent if wavs else None
    names = os.listdir(folder) if folder else []
    return {Path(name).stem.casefold(): name for name in names if name.lower().endswith(AUDIO_ENDINGS)}


def plurality(votes: tuple[Vote, ...]) -> str:
    """Returns the primary label with strictly the most votes, or xxx for a tie."""
    labels = [label for _, _, label, slot in votes if slot == "primary"]
    counts = {label: labels.count(label) for label in labels}  # a Counter takes five times as long
    most = max(counts.values(), default=0)
    best = [label for label, n in counts.items() if n == most]
    return best[0] if len(best) == 1 else "xxx"


def _utterance(file: str, wav: Path, said: Released, votes: tuple, ratings: tuple, text: str) -> Utterance:
    match = _RECORDING.match(file)
    recording = match[1] if match else ""
    label = said.label or (plurality(votes) if votes else "-")
    return Utterance(
        utt=os.path.splitext(file)[0],  # pathlib would take ten times as long
        wav=wav,
        speaker=said.speaker or f"unknown_{recording or 'Test3'}",
        gender=said.gender or "u",
        session=recording or "Test3",
        label=label,
        text=text,
        votes=votes,
        ratings=ratings,
        recording=recording,
        part=said.part,
    )


def _compare(file: str, said: Released, votes: tuple[Vote, ...], findings: Findings) -> None:
    found = plurality(votes)
    if votes and said.label and said.label != found:
        where = f"{file}: released {said.label}, votes {found}"
        findings.warn("released consensus that is not the plurality of the votes", where=where)


def _check_that_they_fit(
    consensus: Path | None, detailed: Path, released: Mapping[str, Released], opinions: Opinions
) -> None:
    """Refuses labels of one release beside the raters of another."""
    labelled = {file for file, said in released.items() if said.label}
    strangers = sorted(labelled ^ opinions.votes.keys())
    if consensus is not None and len(strangers) > _STRANGERS * max(len(labelled), len(opinions.votes)):
        raise DataError(
            f"{detailed} and {consensus.name} are not of one release: {len(strangers)} files, such as {strangers[0]}, "
            "are only in one of them; unpack each release into its own folder"
        )


def _warn_of_gaps(utterances: list[Utterance], findings: Findings) -> None:
    unknown = Counter(u.part for u in utterances if u.speaker.startswith("unknown_") and u.part != WITHHELD)
    for part, count in sorted(unknown.items()):
        findings.warn(f"utterances of {part or 'no part'} by unknown speakers (one per podcast)", count)
    silent = sum(not u.text for u in utterances if u.part != WITHHELD)
    if silent:
        findings.warn("utterances without a transcript (empty text)", silent)
