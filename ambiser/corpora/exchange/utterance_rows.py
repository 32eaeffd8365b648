"""Reads a data folder of stage 1 as one row per utterance, with votes, labels and parts of folds."""

from dataclasses import dataclass
from pathlib import Path

from ambiser.config.data_keys import LABELS, LabelPolicy
from ambiser.corpora.corpus import Vote
from ambiser.errors import DataError
from ambiser.io.corpus_record import read_record
from ambiser.io.layout import Layout, require
from ambiser.io.tables import read_list, read_table
from ambiser.labels.label_view import AMBIGUOUS, PRECISE, LabelView, view_labels
from ambiser.labels.vote_table import SLOTS, SOURCES, VoteTable, read_votes

_KINDS = {PRECISE: "precise", AMBIGUOUS: "ambiguous"}


@dataclass(frozen=True, kw_only=True)
class UtteranceRow:
    """One utterance.

    Attributes:
        audio: path of its file.
        recording, part: as in `Utterance`; empty without.
        label: the released consensus code.
        votes: of all raters.
        soft: share of the votes by class; None for an utterance without labels under the policy.
        hard: the class with most votes; empty without a majority or without labels.
        kind: precise, ambiguous or neither; empty without labels.
        left_out: why it has no labels; empty if it has.
        folds: its part by number of the fold; a fold that leaves it out is missing.
    """

    utt: str
    audio: str
    speaker: str
    gender: str
    session: str
    recording: str
    part: str
    text: str
    duration_s: float
    label: str
    votes: tuple[Vote, ...]
    soft: dict[str, float] | None
    hard: str
    kind: str
    left_out: str
    folds: dict[int, str]


@dataclass(frozen=True)
class DataFolder:
    """A data folder: name of its corpus, classes, fold numbers, and rows sorted bytewise by utterance."""

    corpus: str
    classes: tuple[str, ...]
    folds: tuple[int, ...]
    rows: list[UtteranceRow]


def read_data_folder(data_dir: Path, labels: LabelPolicy) -> DataFolder:
    """Reads the tables of stage 1.

    Args:
        data_dir: that stage 1 wrote.
        labels: the policy that turns votes into labels.

    Raises:
        DataError: stage 1 is not complete, or a table is damaged.
    """
    layout = Layout.of_data(data_dir)
    if not layout.corpus_record().is_file():
        raise DataError(f"{data_dir}: is no data folder, it has no corpus.json; name the folder that stage 1 wrote")
    record = read_record(layout.corpus_record())
    names = ("wav.scp", "utt2spk", "utt2session", "utt2label", "utt2dur", "text", "utt2rec", "utt2part")
    paths = {name: layout.table(name) for name in names}
    tables = {name: read_table(path, allow_empty_value=True) for name, path in paths.items() if path.is_file()}
    wavs = read_table(require(layout.table("wav.scp"), "prepare"))
    votes = read_votes(require(layout.table("votes.tsv"), "prepare"))
    genders = read_table(layout.table("spk2gender"))
    view, by_utt, parts = view_labels(votes, labels), _votes_by_utterance(votes), _parts(layout, record.parts)
    made = _labels_by_utterance(view)

    def entry(name: str, utt: str) -> str:
        return tables.get(name, {}).get(utt, "")

    rows = [
        UtteranceRow(
            utt=utt,
            audio=wav,
            speaker=entry("utt2spk", utt),
            gender=genders.get(entry("utt2spk", utt), "u"),
            session=entry("utt2session", utt),
            recording=entry("utt2rec", utt),
            part=entry("utt2part", utt),
            text=entry("text", utt),
            duration_s=float(entry("utt2dur", utt) or "nan"),
            label=entry("utt2label", utt),
            votes=by_utt.get(utt, ()),
            folds=parts.get(utt, {}),
            **made.get(utt, _no_labels(view.left_out.get(utt, "has no votes"))),
        )
        for utt, wav in wavs.items()
    ]
    return DataFolder(record.corpus, view.classes, tuple(record.folds), rows)


def _votes_by_utterance(table: VoteTable) -> dict[str, tuple[Vote, ...]]:
    votes: dict[str, list[Vote]] = {}
    columns = (table.utt, table.rater, table.source, table.label, table.slot)
    for utt, rater, source, label, slot in zip(*(column.tolist() for column in columns), strict=True):
        vote = Vote(table.raters[rater], SOURCES[source], LABELS[label], SLOTS[slot])
        votes.setdefault(table.utts[utt], []).append(vote)
    return {utt: tuple(given) for utt, given in votes.items()}


def _labels_by_utterance(view: LabelView) -> dict[str, dict[str, object]]:
    return {
        utt: {
            "soft": dict(zip(view.classes, view.soft[row].tolist(), strict=True)),
            "hard": view.classes[view.hard[row]] if view.hard[row] >= 0 else "",
            "kind": _KINDS.get(int(view.kind[row]), "neither"),
            "left_out": "",
        }
        for row, utt in enumerate(view.utts)
    }


def _no_labels(reason: str) -> dict[str, object]:
    return {"soft": None, "hard": "", "kind": "", "left_out": reason}


def _parts(layout: Layout, parts: dict[str, dict[str, int]]) -> dict[str, dict[int, str]]:
    """Returns the part of each utterance by fold."""
    found: dict[str, dict[int, str]] = {}
    for fold, names in parts.items():
        for part in names:
            for utt in read_list(layout.fold_list(int(fold), part)):
                found.setdefault(utt, {})[int(fold)] = part
    return found
