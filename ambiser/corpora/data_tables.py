"""Writes a parsed corpus as the tables of data/all, and checks tables and folds against each other."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from ambiser.corpora.corpus import Corpus, Utterance
from ambiser.errors import DataError
from ambiser.io.layout import Layout
from ambiser.io.tables import read_list, read_table, write_list, write_table, write_tsv
from ambiser.labels.ratings import ATTRIBUTES
from ambiser.labels.vocabulary import OWN_LABELS
from ambiser.labels.vote_table import COLUMNS as VOTE_COLUMNS

RATING_COLUMNS = ["utt", "rater", "source", *ATTRIBUTES]
UTT_TABLES = ("wav.scp", "utt2spk", "utt2dur", "utt2session", "utt2label", "text")
OPTIONAL_TABLES = {"utt2rec": "recording", "utt2part": "part", "utt2acted": "acted"}


def write_tables(corpus: Corpus, utterances: list[Utterance], durations_s: Mapping[str, float], layout: Layout) -> None:
    """Writes data/all; the utterances are sorted bytewise.

    utt2rec (recording), utt2part (part of the released split) and utt2acted (acted emotion) are there when the
    corpus knows them. Attributes stand twice: of every rater, and averaged over the outside raters.
    """
    by_speaker: dict[str, list[str]] = {}
    for u in utterances:
        by_speaker.setdefault(u.speaker, []).append(u.utt)
    tables = {
        "wav.scp": {u.utt: u.wav for u in utterances},
        "utt2spk": {u.utt: u.speaker for u in utterances},
        "spk2utt": {speaker: " ".join(utts) for speaker, utts in by_speaker.items()},
        "spk2gender": {u.speaker: u.gender for u in utterances},
        "utt2dur": {u.utt: f"{durations_s[u.utt]:.4f}" for u in utterances},
        "utt2session": {u.utt: u.session for u in utterances},
        "utt2label": {u.utt: u.label for u in utterances},
        "text": {u.utt: u.text for u in utterances},
    }
    for name, table in tables.items():
        write_table(layout.table(name), table)
    for name, attribute in OPTIONAL_TABLES.items():
        table = {u.utt: getattr(u, attribute) for u in utterances if getattr(u, attribute)}
        if table:
            write_table(layout.table(name), table)
    if corpus.own_labels:
        write_list(layout.table(OWN_LABELS), corpus.own_labels)
    write_tsv(layout.table("votes.tsv"), list(VOTE_COLUMNS), _vote_rows(utterances))
    write_tsv(layout.table("attributes.tsv"), RATING_COLUMNS, _rating_rows(utterances))
    means = ((u.utt, *_means(u)) for u in utterances)
    write_tsv(layout.table("attributes_mean.tsv"), ["utt", *ATTRIBUTES], means)
    write_tsv(layout.table("left_out.tsv"), ["utt", "reason"], sorted(corpus.findings.left_out.items()))


def write_folds(folds: Mapping[int, Mapping[str, list[str]]], layout: Layout) -> None:
    """Writes data/foldK/PART for every part."""
    for number, fold in folds.items():
        for part, utts in fold.items():
            write_list(layout.fold_list(number, part), utts)


def check_tables(layout: Layout, folds: Mapping[int, Iterable[str]]) -> None:
    """Checks that every table holds exactly the utterances of wav.scp, and every part of a fold only such.

    Args:
        layout: where the tables are.
        folds: the parts of every fold.

    Raises:
        DataError: one does not; the message names an utterance.
    """
    utts = read_table(layout.table("wav.scp")).keys()
    for name in UTT_TABLES:
        there = read_table(layout.table(name), allow_empty_value=True).keys()
        for utt in sorted(there ^ utts if there != utts else ())[:1]:
            place = "not in" if utt in utts else "only in"
            raise DataError(f"{layout.data_dir}: {utt} is {place} {name}; run stage 1 again")
    for number, parts in folds.items():
        listed = [utt for part in parts for utt in read_list(layout.fold_list(number, part))]
        if len(listed) != len(set(listed)):
            raise DataError(f"{layout.data_dir}/fold{number}: an utterance is in two parts")
        for utt in sorted(set(listed) - utts)[:1]:
            raise DataError(f"{layout.data_dir}: {utt} is only in fold{number}; run stage 1 again")


def remove_stale(folder: Path) -> None:
    """Removes what a killed run left under temporary names."""
    for path in folder.glob(".*.tmp"):
        if path.is_file():
            path.unlink(missing_ok=True)


class _NumberTexts(dict[float, str]):
    """The text of each number; few are distinct."""

    def __missing__(self, number: float) -> str:
        text = self[number] = f"{number:g}"
        return text


def _vote_rows(utterances: list[Utterance]) -> Iterable[tuple[str, ...]]:
    for u in utterances:
        utt = u.utt
        for rater, source, label, slot in u.votes:
            yield utt, rater, source, slot, label


def _rating_rows(utterances: list[Utterance]) -> Iterable[tuple[str, ...]]:
    texts = _NumberTexts()
    for u in utterances:
        utt = u.utt
        for rater, source, valence, arousal, dominance in u.ratings:
            yield utt, rater, source, texts[valence], texts[arousal], texts[dominance]


def _means(utterance: Utterance) -> list[str]:
    """Averages each attribute over the outside raters who gave it; nan when nobody did."""
    outside = [rating[2:] for rating in utterance.ratings if rating[1] == "outside"]
    means = []
    for values in zip(*outside, strict=True) if outside else [()] * len(ATTRIBUTES):
        total, count = sum(values), len(values)
        if total != total:  # nan differs from itself
            given = [value for value in values if value == value]
            total, count = sum(given), len(given)
        means.append(f"{total / count:.4f}" if count else "nan")
    return means
