"""Reads any corpus that is a Kaldi data directory with a votes.tsv; see egs/kaldi/README.md."""

from dataclasses import dataclass
from pathlib import Path

from ambiser.config.data_keys import Data
from ambiser.corpora.corpus import Corpus, Rating, Utterance, Vote, gender_code
from ambiser.corpora.findings import Findings
from ambiser.corpora.own_tables import read_own_labels, read_pairs, read_ratings, read_votes_of_raters
from ambiser.corpora.segment_tables import make_cuts, read_channels, read_segments
from ambiser.corpora.text_files import read_text
from ambiser.errors import DataError
from ambiser.labels.vocabulary import OWN_LABELS

NEEDED = ("wav.scp", "utt2spk", "votes.tsv")
BY_UTTERANCE = ("text", "utt2session", "utt2rec", "utt2part", "utt2label", "utt2acted")
_MADE_BY = "python -m ambiser.bin.import_table makes one from a table of labels and audio"
_NO_VOTES = "has no votes"
_PARTS = {"train": "Train", "training": "Train", "test": "Test1"} | dict.fromkeys(
    ("dev", "development", "valid", "validation", "val"), "Development"
)


@dataclass(frozen=True)
class _Tables:
    """The tables of a directory, by name and key, with recording (of segments), votes and ratings per utterance."""

    folder: Path
    pairs: dict[str, dict[str, str]]
    recordings: dict[str, str]
    votes: dict[str, list[Vote]]
    ratings: dict[str, list[Rating]]

    def entry(self, name: str, utt: str) -> str:
        """Returns the entry of an optional table; empty if there is none."""
        return self.pairs.get(name, {}).get(utt, "")


def read_kaldi(corpus_dir: Path, data: Data) -> Corpus:
    """Reads a folder with wav.scp, utt2spk and votes.tsv, and optional tables.

    With segments, wav.scp lists recordings, and utterances are parts of them.

    Faults are added to the findings, all of them; see egs/kaldi/README.md for the tables.

    Raises:
        DataError: the folder or one of the three tables is missing.
    """
    folder = Path(corpus_dir)
    findings = Findings(data.allow_incomplete)
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; --corpus_dir must name a data directory ({_MADE_BY})")
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if missing:
        raise DataError(f"{folder} is not a data directory with votes: {', '.join(missing)} not found ({_MADE_BY})")
    names = [name for name in ("spk2gender", *BY_UTTERANCE) if (folder / name).is_file()]
    pairs = {name: read_pairs(folder / name, findings) for name in ("wav.scp", "utt2spk")}
    pairs |= {name: read_pairs(folder / name, findings, empty=name == "text") for name in names}
    segments, channels = read_segments(folder, findings), read_channels(folder, findings)
    pairs["wav.scp"], cuts, recordings = make_cuts(pairs["wav.scp"], segments, channels, folder, findings)
    own = read_own_labels(folder / OWN_LABELS, findings)
    votes = read_votes_of_raters(folder / "votes.tsv", findings, own)
    if findings.faults and not (pairs["wav.scp"] and pairs["utt2spk"] and votes):
        return Corpus("kaldi", [], findings)  # faults of a whole table; others would follow from them
    tables = _Tables(folder, pairs, recordings, votes, read_ratings(folder / "attributes.tsv", findings))
    _check_keys(tables, findings)
    _check_genders(tables, findings)
    pool = data.unlabelled == "pool"
    found = (_read_utterance(utt, tables, findings, pool=pool) for utt in pairs["wav.scp"])
    utterances = [utterance for utterance in found if utterance]
    if any(fault.reason == _NO_VOTES for fault in findings.faults):
        findings.hints.append("utterances without votes can serve as unlabeled data of IPR: --set data.unlabelled=pool")
    _list_strangers(tables, findings)
    version = read_text(folder / "version", findings).strip() if (folder / "version").is_file() else ""
    return Corpus("kaldi", utterances, findings, version=" ".join(version.split()), own_labels=own, cuts=cuts)


def _read_utterance(utt: str, tables: _Tables, findings: Findings, *, pool: bool) -> Utterance | None:
    """Joins the tables for an utterance; None if it is left out. With a pool, it needs no votes."""
    entry, speaker = tables.pairs["wav.scp"][utt], tables.entry("utt2spk", utt)
    if entry.endswith("|") or entry.startswith("|"):
        findings.error(
            "is a command; only paths are read, write wavs first", f"{tables.folder / 'wav.scp'}: {utt}", entry
        )
        return None
    if not speaker:
        findings.leave_out(utt, "has no speaker in utt2spk", tables.folder / "utt2spk")
        return None
    if utt not in tables.votes and not tables.entry("utt2part", utt) and not pool:
        findings.leave_out(utt, _NO_VOTES, tables.folder / "votes.tsv")
        return None
    if "utt2session" in tables.pairs and not tables.entry("utt2session", utt):
        findings.leave_out(utt, "has no session", tables.folder / "utt2session")
        return None
    part = tables.entry("utt2part", utt)
    if utt not in tables.votes:
        use = "of utt2part without votes (predicted, never scored)" if part else "without votes (in the pool)"
        findings.warn(f"utterances {use}", where=utt)
    return Utterance(
        utt=utt,
        wav=tables.folder / entry,
        speaker=speaker,
        gender=gender_code(tables.entry("spk2gender", speaker)) or "u",
        session=tables.entry("utt2session", utt) or speaker,
        label=tables.entry("utt2label", utt) or "-",
        text=tables.entry("text", utt),
        votes=tuple(tables.votes.get(utt, ())),
        ratings=tuple(tables.ratings.get(utt, ())),
        recording=tables.entry("utt2rec", utt) or tables.recordings.get(utt, ""),
        part=_PARTS.get(part.casefold(), part),
        acted=tables.entry("utt2acted", utt),
    )


def _check_keys(tables: _Tables, findings: Findings) -> None:
    """Refuses a table whose keys match nothing, and counts the utterances that an optional table lacks."""
    utts = tables.pairs["wav.scp"].keys()
    speakers = set(tables.pairs["utt2spk"].values())
    damaged = {fault.group()[0] for fault in findings.faults}
    for name, table in tables.pairs.items():
        wanted, what = (speakers, "speakers") if name == "spk2gender" else (utts, "utterances")
        matched = len(table.keys() & wanted)
        if not table and str(tables.folder / name) in damaged:
            continue
        if name != "wav.scp" and wanted and not matched:
            look = f"keys look like {next(iter(table), 'nothing')}, {what} like {min(wanted)}"
            findings.error(f"matches 0 of {len(wanted)} {what}; {look}", tables.folder / name)
        elif name in ("spk2gender", "utt2rec", "utt2label", "utt2acted"):
            for key in sorted(wanted - table.keys()):
                findings.warn(f"{what} that {name} does not list", where=key)
    for name in ("utt2spk", "utt2session"):
        if name in tables.pairs and not tables.pairs[name].keys() & utts:  # one fault, and not one per utterance
            tables.pairs[name] = dict.fromkeys(utts, "unknown")
    for utt in utts if tables.pairs.get("text", {}).keys() & utts else ():
        if not tables.entry("text", utt):
            listed = utt in tables.pairs["text"]
            what = "transcript lines without words" if listed else "utterances without a transcript"
            findings.warn(f"{what} (empty text)", where=utt)


def _check_genders(tables: _Tables, findings: Findings) -> None:
    path = tables.folder / "spk2gender"
    for line, (speaker, word) in enumerate(tables.pairs.get("spk2gender", {}).items(), start=1):
        if not gender_code(word):
            findings.error(
                "gender must be f, m or u (or a word such as female, male)", f"{path}:{line}", f"{speaker} {word}"
            )


def _list_strangers(tables: _Tables, findings: Findings) -> None:
    """Lists what has votes, a speaker or ratings and no audio."""
    wavs = tables.pairs["wav.scp"].keys()
    for utt in sorted(tables.votes.keys() - wavs):
        findings.leave_out(utt, "has votes but no audio", tables.folder / "votes.tsv")
    for utt in sorted((tables.pairs["utt2spk"].keys() | tables.ratings.keys()) - wavs - tables.votes.keys()):
        findings.drop(utt, "has a speaker or ratings, but neither audio nor votes")
