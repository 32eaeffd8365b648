"""Writes utterances of another toolkit as a Kaldi data directory with votes, for egs/kaldi."""

from collections.abc import Sequence
from pathlib import Path

from ambiser.corpora.corpus import Utterance
from ambiser.errors import DataError
from ambiser.io.tables import write_table, write_tsv
from ambiser.labels.vote_table import COLUMNS

_OPTIONAL = {
    "utt2session": "session",
    "utt2rec": "recording",
    "utt2part": "part",
    "utt2label": "label",
}


def write_kaldi_folder(out: Path, utterances: Sequence[Utterance], source: Path) -> None:
    """Writes the tables that `ambiser.corpora.kaldi` reads; wav.scp comes last and completes the folder.

    Args:
        out: the folder.
        utterances: with a speaker each; names need not be sorted.
        source: where they come from, for the error.

    Raises:
        DataError: there are none.
    """
    if not utterances:
        raise DataError(f"{source}: holds no utterance with audio, votes and a speaker")
    rows = sorted(utterances, key=lambda one: one.utt.encode())
    votes = ((one.utt, vote.rater, vote.source, vote.slot, vote.label) for one in rows for vote in one.votes)
    write_tsv(out / "votes.tsv", list(COLUMNS), votes)
    write_table(out / "utt2spk", {one.utt: one.speaker for one in rows})
    write_table(out / "spk2gender", {one.speaker: one.gender for one in rows})
    if any(one.text for one in rows):
        write_table(out / "text", {one.utt: " ".join(one.text.split()) for one in rows})
    for name, attribute in _OPTIONAL.items():
        table = {one.utt: key_of(value) for one in rows if (value := getattr(one, attribute))}
        if table:
            write_table(out / name, table)
    write_table(out / "wav.scp", {one.utt: one.wav for one in rows})


def key_of(name: object) -> str:
    """Returns a name as a key of a Kaldi table: without blanks."""
    return "_".join(str(name).split())
