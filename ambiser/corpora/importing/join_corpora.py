"""Joins two prepared corpora to one data directory: one to train on, the other to test on."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ambiser.config.data_keys import LABELS
from ambiser.errors import ConfigError, DataError
from ambiser.io.corpus_record import CorpusRecord, read_record
from ambiser.io.files import write_text
from ambiser.io.layout import Layout, require
from ambiser.io.tables import read_list, read_table, read_tsv, write_list, write_table, write_tsv
from ambiser.labels.vocabulary import OWN_LABELS, read_vocabulary
from ambiser.labels.vote_table import COLUMNS

IGNORED = "-"
_BY_UTTERANCE = ("wav.scp", "utt2spk", "utt2session", "utt2rec", "text")
_NAMES = ("utt2spk", "utt2session", "utt2rec")
"""Tables whose values are names, which get the prefix too."""


@dataclass
class JoinedCorpora:
    """The tables of two corpora, and what became of their labels.

    Attributes:
        name: the two corpora, as results show them.
        tables: by name of the file.
        votes: the rows of votes.tsv.
        labels: by corpus, how often each label was mapped to which code.
        left_out: by corpus, the number of utterances without votes.
    """

    name: str
    tables: dict[str, dict[str, str]] = field(default_factory=dict)
    votes: list[tuple[str, ...]] = field(default_factory=list)
    labels: dict[str, Counter[tuple[str, str]]] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)


def join_corpora(
    train_dir: Path,
    test_dir: Path,
    out_dir: Path,
    *,
    train_labels: Mapping[str, str],
    test_labels: Mapping[str, str],
    fold: int = 1,
) -> JoinedCorpora:
    """Writes a data directory for `data.protocol: across_corpora`; wav.scp is its last file.

    The dev part of one fold of the training corpus is dev, its other utterances train. All utterances of the test
    corpus are tested. Names get the corpus as a prefix; utterances without votes are left out.

    Args:
        train_dir: data folder of stage 1 for the training corpus.
        test_dir: the same for the test corpus.
        out_dir: the new data directory.
        train_labels: codes by label of the training corpus; the code - ignores the votes.
        test_labels: the same for the test corpus.
        fold: of the training corpus, whose dev part is taken.

    Raises:
        DataError: a folder was not prepared, or lacks the fold.
        ConfigError: a label or code is in neither corpus.
    """
    train, test = map(Layout.of_data, (train_dir, test_dir))
    records = [read_record(require(layout.corpus_record(), "prepare")) for layout in (train, test)]
    names = _prefixes(*records)
    if fold not in records[0].folds:
        raise DataError(f"{train_dir}: has no fold {fold}; its folds are {', '.join(map(str, records[0].folds))}")
    labels = dict.fromkeys(label for layout in (train, test) for label in read_vocabulary(layout.data_dir / "all"))
    _check_map("--train_labels", train_labels, [*labels, IGNORED])
    _check_map("--test_labels", test_labels, [*labels, IGNORED])
    dev = set(read_list(train.fold_list(fold, "dev")))
    joined = JoinedCorpora(f"{names[0]} to {names[1]}")
    train_utts = _add(joined, train, names[0], train_labels)
    test_utts = _add(joined, test, names[1], test_labels)
    parts = {f"{names[0]}-{utt}": "dev" if utt in dev else "train" for utt in train_utts}
    joined.tables["utt2part"] = parts | {f"{names[1]}-{utt}": "test" for utt in test_utts}
    _write(joined, [label for label in labels if label not in LABELS], out_dir)
    return joined


def describe_join(joined: JoinedCorpora, out_dir: Path) -> str:
    """Returns the report for the terminal: parts, the label maps of both corpora, and what was not taken."""
    parts = Counter(joined.tables["utt2part"].values())
    sizes = ", ".join(f"{part} {parts[part]}" for part in ("train", "dev", "test"))
    lines = [f"{joined.name}: {sizes} utterances written to {out_dir}"]
    for name, counts in joined.labels.items():
        shown = ", ".join(f"{label} -> {code}: {n}" for (label, code), n in sorted(counts.items()))
        lines.append(f"  votes of {name}: {shown}")
        if joined.left_out[name]:
            lines.append(f"  not taken from {name}: {joined.left_out[name]} utterances without votes")
    lines.append(f"  to train and test: ./run.sh --corpus_dir {out_dir} --set data.protocol=across_corpora")
    return "\n".join(lines)


def _prefixes(train: CorpusRecord, test: CorpusRecord) -> tuple[str, str]:
    """Returns a distinct name for each corpus."""
    names = [f"{record.corpus}{f'_{record.version}' if record.version else ''}" for record in (train, test)]
    names = ["_".join(name.split()) for name in names]
    return (names[0], names[1]) if names[0] != names[1] else (f"{names[0]}_train", f"{names[1]}_test")


def _check_map(option: str, mapping: Mapping[str, str], known: list[str]) -> None:
    for label, code in mapping.items():
        for word in (label, code):
            if word not in known:
                raise ConfigError(f"{option} {label}={code}: {word} is a label of neither corpus")


def _add(joined: JoinedCorpora, layout: Layout, name: str, mapping: Mapping[str, str]) -> list[str]:
    """Adds the tables of a corpus, and returns its utterances with votes."""
    counts: Counter[tuple[str, str]] = Counter()
    voted: set[str] = set()
    for row in read_tsv(layout.table("votes.tsv"), list(COLUMNS)):
        code = mapping.get(row["label"], row["label"])
        counts[row["label"], code] += 1
        if code != IGNORED:
            voted.add(row["utt"])
            joined.votes.append((f"{name}-{row['utt']}", f"{name}-{row['rater']}", row["source"], row["slot"], code))
    utts = list(read_table(layout.table("wav.scp")))
    for file in _BY_UTTERANCE:
        path = layout.table(file)
        values = read_table(path, allow_empty_value=True) if path.is_file() else {}
        prefix = f"{name}-" if file in _NAMES else ""
        added = {f"{name}-{utt}": f"{prefix}{value}" for utt, value in values.items() if utt in voted}
        joined.tables.setdefault(file, {}).update(added)
    genders = read_table(layout.table("spk2gender"))
    joined.tables.setdefault("spk2gender", {}).update({f"{name}-{speaker}": word for speaker, word in genders.items()})
    joined.labels[name], joined.left_out[name] = counts, len(utts) - len(voted)
    return [utt for utt in utts if utt in voted]


def _write(joined: JoinedCorpora, own_labels: list[str], out_dir: Path) -> None:
    write_tsv(out_dir / "votes.tsv", list(COLUMNS), joined.votes)
    write_text(out_dir / "version", f"{joined.name}\n")
    if own_labels:
        write_list(out_dir / OWN_LABELS, own_labels)
    last = joined.tables.pop("wav.scp")
    for file, table in joined.tables.items():
        if table:
            write_table(out_dir / file, table)
    write_table(out_dir / "wav.scp", last)
