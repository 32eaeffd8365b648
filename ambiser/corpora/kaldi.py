"""Any corpus as a Kaldi data directory with a votes.tsv: no code is needed."""

from pathlib import Path

from ambiser.config.data_keys import LABELS, Data
from ambiser.corpora.corpus import Corpus, Findings, Rating, Utterance, Vote
from ambiser.errors import DataError
from ambiser.io.tables import read_table, read_tsv
from ambiser.labels.vote_table import SLOTS, SOURCES

OPTIONAL = ("text", "spk2gender", "utt2session", "utt2rec", "utt2part", "utt2label", "utt2acted")
_NUMBERS = ("valence", "arousal", "dominance")


def read_kaldi(corpus_dir: Path, data: Data) -> Corpus:
    """Reads a folder with wav.scp, utt2spk and votes.tsv.

    votes.tsv has a header and the columns utt, rater and label (a code of the vocabulary), and if wanted source
    (outside or self) and slot (primary or secondary). attributes.tsv has utt, rater, valence, arousal and dominance.
    Optional tables: text, spk2gender, utt2session (otherwise every speaker is a session of his own), utt2rec
    (recording), utt2part (part of a released split), utt2label (released consensus), utt2acted. Paths of wav.scp count
    from the folder; commands are refused.

    Raises:
        DataError: a table is missing or has a fault, or an utterance lacks a speaker or votes.
    """
    folder = Path(corpus_dir)
    findings = Findings(data.allow_incomplete)
    missing = [name for name in ("wav.scp", "utt2spk", "votes.tsv") if not (folder / name).is_file()]
    if missing:
        raise DataError(f"{folder} is no data directory with votes: {', '.join(missing)} not found")
    wavs, speakers = read_table(folder / "wav.scp"), read_table(folder / "utt2spk")
    there = [name for name in OPTIONAL if (folder / name).is_file()]
    tables = {name: read_table(folder / name, allow_empty_value=name == "text") for name in there}
    votes, ratings = _read_votes(folder / "votes.tsv", findings), _read_ratings(folder / "attributes.tsv", findings)
    utterances = []
    for utt, entry in wavs.items():
        said = {name: table.get(utt, "") for name, table in tables.items()}
        if entry.endswith("|") or entry.startswith("|"):
            raise DataError(
                f"{folder / 'wav.scp'}: {utt}: {entry!r} is a command; only paths are read, write wavs first"
            )
        if utt not in speakers:
            findings.leave_out(utt, "has no speaker in utt2spk", folder / "utt2spk")
        elif utt not in votes and not said.get("utt2part"):
            findings.leave_out(utt, "has no votes", folder / "votes.tsv")
        else:
            utterances.append(
                Utterance(
                    utt=utt,
                    wav=folder / entry,
                    speaker=speakers[utt],
                    gender=tables.get("spk2gender", {}).get(speakers[utt], "u"),
                    session=said.get("utt2session") or speakers[utt],
                    label=said.get("utt2label") or "-",
                    text=said.get("text", ""),
                    votes=tuple(votes.get(utt, ())),
                    ratings=tuple(ratings.get(utt, ())),
                    recording=said.get("utt2rec", ""),
                    part=said.get("utt2part", ""),
                    acted=said.get("utt2acted", ""),
                )
            )
    for utt in sorted(votes.keys() - wavs.keys()):
        findings.leave_out(utt, "has votes and no audio", folder / "votes.tsv")
    for utt in sorted((speakers.keys() | ratings.keys()) - wavs.keys() - votes.keys()):
        findings.drop(utt, "has a speaker or ratings, and neither audio nor votes")
    return Corpus("kaldi", utterances, findings)


def _read_votes(path: Path, findings: Findings) -> dict[str, list[Vote]]:
    votes: dict[str, list[Vote]] = {}
    for line, row in enumerate(read_tsv(path, ["utt", "rater", "label"]), start=2):
        source, slot = row.get("source", SOURCES[0]), row.get("slot", SLOTS[0])
        for name, value, known in (("label", row["label"], LABELS), ("source", source, SOURCES), ("slot", slot, SLOTS)):
            if value not in known:
                raise DataError(f"{path}:{line}: {name} must be one of {', '.join(known)}; got {value!r}")
        vote, given = Vote(row["rater"], source, row["label"], slot), votes.setdefault(row["utt"], [])
        if vote in given:
            findings.warn("lines that stand twice (counted once)", where=f"{path}:{line}")
        else:
            given.append(vote)
    return votes


def _read_ratings(path: Path, findings: Findings) -> dict[str, list[Rating]]:
    ratings: dict[str, list[Rating]] = {}
    for line, row in enumerate(read_tsv(path, ["utt", "rater", *_NUMBERS]) if path.is_file() else [], start=2):
        try:
            numbers = [float(row[name]) for name in _NUMBERS]
        except ValueError as error:
            raise DataError(f"{path}:{line}: {error}; a missing value is nan") from error
        rating = Rating(row["rater"], row.get("source", SOURCES[0]), *numbers)
        given = ratings.setdefault(row["utt"], [])
        if (rating.rater, rating.source) in {(other.rater, other.source) for other in given}:
            findings.warn("second ratings of a rater on an utterance (not counted)", where=f"{path}:{line}")
        else:
            given.append(rating)
    return ratings
