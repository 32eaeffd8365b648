"""Computes statistics of a prepared corpus: counts per class, part, gender and ambiguity, and agreement."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ambiser.config.data_keys import LabelPolicy
from ambiser.corpora.rotation import PARTS
from ambiser.io.corpus_record import CorpusRecord
from ambiser.io.layout import Layout
from ambiser.io.tables import read_list, read_table, read_tsv
from ambiser.labels.entropy import entropy_bits
from ambiser.labels.label_view import LabelView, view_labels
from ambiser.labels.rater_bias import rater_biases
from ambiser.labels.vote_table import VoteTable, read_votes
from ambiser.report.agreement_facts import count_raters, describe_agreement

HARD_ONLY = (
    "Hard labels only: every utterance has one vote. ce, smoothing, superb, text and fusion_ce make sense; soft_ce, "
    "kl, jsd and dirichlet have no disagreement to learn from, ipr has no ambiguous utterances, and amber2 has no "
    "distribution of votes to compare its teachers with."
)
MOST_SESSIONS = 12
MOST_NAMES = 5
MOST_RATERS = 20
_GENDERS = {"f": "women", "m": "men", "u": "not known"}
_EPSILON = 1e-9


@dataclass(frozen=True)
class CountTable:
    """A table of counts; a row 'all' comes last if there is one."""

    title: str
    header: list[str]
    rows: list[list[object]]


@dataclass
class DataStatistics:
    """Everything that the data report shows.

    Attributes:
        tables: counts; the first is per session, part or tested set.
        entropies: (N,) entropy in bits of the soft labels of the labeled utterances.
        raters_per_utterance: (M,) number of outside raters of every utterance that has any.
        facts: single values by name.
        notes: sentences on what these labels and folds do not allow.
        reasons: by title, rows of count and reason for what was left out or looked odd.
    """

    tables: list[CountTable]
    entropies: np.ndarray
    raters_per_utterance: np.ndarray
    facts: dict[str, str]
    reasons: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def collect_statistics(
    record: CorpusRecord, labels: LabelPolicy, levels: Sequence[float], layout: Layout
) -> DataStatistics:
    """Computes the statistics from the tables of stage 1.

    Args:
        record: of stage 1 (corpus.json).
        labels: the policies that the counts per class follow.
        levels: upper entropies (bits) of all levels of ambiguity but the highest.
        layout: where the tables are.
    """
    votes = read_votes(layout.table("votes.tsv"))
    speaker_of = read_table(layout.table("utt2spk"))
    view = view_labels(votes, labels)
    entropies = entropy_bits(view.soft)
    group_of, groups, title = _groups(record, layout)
    gender_of = read_table(layout.table("spk2gender"))
    genders = {utt: _GENDERS.get(gender_of[speaker], "not known") for utt, speaker in speaker_of.items()}
    tables = [_by_group(title, groups, group_of, view, speaker_of)]
    there = [name for name in _GENDERS.values() if name in genders.values()]
    tables.append(_count("gender", there, [genders[utt] for utt in view.utts], view))
    names, level = _levels(entropies, levels)
    tables.append(_count("ambiguity of the votes", names, [names[i] for i in level], view))
    tables.append(_part_sizes(record))
    if layout.table("utt2acted").is_file():
        acted = read_table(layout.table("utt2acted"))
        codes = sorted(set(acted.values()))
        tables.append(_count("acted", codes, [acted.get(utt, "") for utt in view.utts], view))
    raters_shown = _rater_table(votes, labels, view.classes)
    tables += [raters_shown] if raters_shown.rows else []
    lost = Counter(row["reason"] for row in read_tsv(layout.table("left_out.tsv")))
    reasons = {
        "outside the classes": _ranked(Counter(view.left_out.values())),
        "left out of the corpus": _ranked(lost),
        "warnings (these utterances are kept)": _ranked(record.warnings),
    }
    raters = count_raters(votes)
    facts = describe_agreement(votes, labels, view, raters)
    notes = [HARD_ONLY] if raters.max() == 1 else []
    return DataStatistics(tables, entropies, raters, facts, reasons, notes + untrained_classes(view, record, layout))


def untrained_classes(view: LabelView, record: CorpusRecord, layout: Layout) -> list[str]:
    """Returns a sentence for classes that are the hard label of no training utterance of some folds."""
    row_of = {utt: row for row, utt in enumerate(view.utts)}
    folds_of: dict[str, list[int]] = {}
    for fold in record.folds:
        rows = [row_of[utt] for utt in read_list(layout.fold_list(fold, "train")) if utt in row_of]
        there = set(view.hard[rows].tolist())
        for c, name in enumerate(view.classes):
            if c not in there:
                folds_of.setdefault(name, []).append(fold)
    alike: dict[str, list[str]] = {}
    for name, folds in folds_of.items():
        alike.setdefault(_name_folds(folds, record), []).append(name)
    return [_describe_untrained(names, where) for where, names in alike.items()]


def _describe_untrained(names: list[str], where: str) -> str:
    one = len(names) == 1
    who, it = (f"Class {names[0]} has", "it") if one else (f"Classes {', '.join(names)} have", "them")
    return (
        f"{who} no training utterance in {where} (hard labels), so no model can learn {it} there: merge {it} with "
        f"another class or remove {it} (labels.classes), or use other folds (data.folds, data.protocol)."
    )


def _name_folds(folds: list[int], record: CorpusRecord) -> str:
    if len(folds) == len(record.folds):
        return "any fold"
    return f"fold{'s' if len(folds) > 1 else ''} {' '.join(map(str, folds))}"


def _rater_table(votes: VoteTable, labels: LabelPolicy, classes: Sequence[str]) -> CountTable:
    """Returns the named raters with the most votes: agreement with the others, and preference for each class."""
    rows = [
        [one.rater, one.utterances, f"{one.agreement:.3f}", *(f"{value:+.3f}" for value in one.bias)]
        for one in rater_biases(votes, labels)[:MOST_RATERS]
    ]
    return CountTable(
        "rater", ["rater", "utterances with others", "agreement", *(f"{name} +/-" for name in classes)], rows
    )


def _part_sizes(record: CorpusRecord) -> CountTable:
    sizes = _sizes(record)
    parts = list(sizes[min(sizes)])
    return CountTable("utterances of each part", ["", *parts], [[f"fold {k}", *sizes[k].values()] for k in sizes])


def _groups(record: CorpusRecord, layout: Layout) -> tuple[dict[str, str], list[str], str]:
    """Returns the group of every utterance, the groups in order, and the word for them.

    Groups are the parts if there is only one fold, the sessions if there are few, otherwise the tested sets.
    """
    if len(record.parts) > 1 and len(record.sessions) <= MOST_SESSIONS:
        return read_table(layout.table("utt2session")), record.sessions, ""
    parts = {f: list(sizes) if len(record.parts) == 1 else ["test"] for f, sizes in _sizes(record).items()}
    names = {(f, p): p if len(parts) == 1 else f"fold {f}" for f, listed in parts.items() for p in listed}
    group_of = {utt: name for (f, p), name in names.items() for utt in read_list(layout.fold_list(f, p))}
    return group_of, list(names.values()), "part" if len(parts) == 1 else "tested in"


def _sizes(record: CorpusRecord) -> dict[int, dict[str, int]]:
    """Returns the part sizes per fold, in the order train, dev, test, others."""
    order = {part: i for i, part in enumerate(PARTS)}
    folds = sorted((int(fold), sizes) for fold, sizes in record.parts.items())
    return {f: dict(sorted(s.items(), key=lambda part: (order.get(part[0], len(order)), part[0]))) for f, s in folds}


def _by_group(
    title: str, groups: list[str], group_of: dict[str, str], view: LabelView, speaker_of: dict[str, str]
) -> CountTable:
    kept_in = np.array([group_of.get(utt, "") for utt in view.utts])
    header = [title, "utterances", *view.classes, "no hard label", "outside the classes", "speakers"]
    rows = []
    for group in [*groups, "all"]:
        here = np.ones(len(kept_in), bool) if group == "all" else kept_in == group
        utts = [utt for utt in speaker_of if group in ("all", group_of.get(utt))]
        per_class = _per_class(view, here)
        speakers = Counter(speaker_of[utt] for utt in utts)
        few = group != "all" and len(speakers) <= MOST_NAMES
        words = ", ".join(f"{s} {n}" for s, n in sorted(speakers.items())) if few else len(speakers)
        rows.append([group, len(utts), *per_class, len(utts) - int(here.sum()), words])
    return CountTable(title, header, rows)


def _count(title: str, names: list[str], name_of: Iterable[str], view: LabelView) -> CountTable:
    """Counts labeled utterances per name and class."""
    group = np.array(list(name_of))
    rows = [[name, int((group == name).sum()), *_per_class(view, group == name)] for name in names]
    return CountTable(title, [title, "utterances", *view.classes, "no hard label"], rows)


def _per_class(view: LabelView, here: np.ndarray) -> list[int]:
    hard = view.hard[here]
    return [*(int((hard == c).sum()) for c in range(len(view.classes))), int((hard < 0).sum())]


def _levels(entropies: np.ndarray, levels: Sequence[float]) -> tuple[list[str], np.ndarray]:
    """Returns the names of the levels of ambiguity, and the (N,) level of every utterance."""
    edges = sorted(levels)
    names = [f"H <= {edges[0]:g}", *(f"{a:g} < H <= {b:g}" for a, b in zip(edges, edges[1:], strict=False))]
    return [*names, f"H > {edges[-1]:g}"], np.searchsorted(np.asarray(edges) + _EPSILON, entropies)


def _ranked(counts: dict[str, int]) -> list[tuple[int, str]]:
    return sorted(((n, reason) for reason, n in counts.items()), key=lambda row: (-row[0], row[1]))
