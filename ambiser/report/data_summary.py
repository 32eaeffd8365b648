"""Prints the data report of stage 1 as text for the terminal."""

from ambiser.io.corpus_record import CorpusRecord
from ambiser.io.layout import Layout
from ambiser.io.tables import read_tsv
from ambiser.report.data_statistics import MOST_NAMES, CountTable, DataStatistics
from ambiser.report.text_table import aligned


def summarize(record: CorpusRecord, statistics: DataStatistics, layout: Layout) -> str:
    """Returns the report: counts, agreement, what was left out, and warnings.

    Args:
        record: of stage 1 (corpus.json).
        statistics: from `ambiser.report.data_statistics.collect_statistics`.
        layout: where the tables are.
    """
    lines = [heading(record), ""]
    for table in statistics.tables:
        lines += [*_align(table), ""]
    lines += [f"{name}: {value}" for name, value in statistics.facts.items()]
    lines += statistics.notes
    lines += _reasons("outside the classes", statistics)
    see = f" (see {layout.table('left_out.tsv')})" if record.left_out else ""
    lines += [f"left out of the corpus: {record.left_out}{see}"]
    lost = read_tsv(layout.table("left_out.tsv"))
    if len(lost) > MOST_NAMES:
        lines += _reasons("left out of the corpus", statistics)[1:]
    else:
        lines += [f"  {row['utt']}: {row['reason']}" for row in lost]
    lines += _reasons("warnings (these utterances are kept)", statistics)
    places = read_tsv(layout.table("warnings.tsv"))
    lines += [f"places of {len(places)} warnings: {layout.table('warnings.tsv')}"] if places else []
    return "\n".join(lines)


def heading(record: CorpusRecord) -> str:
    """Returns corpus, size and protocol in one line."""
    made_up = ", SYNTHETIC" if record.made_up else ""
    counts = (
        f"{record.utterances} utterances",
        f"{record.duration_s / 3600:.2f} h",
        f"{len(record.speakers)} speakers",
        f"{record.votes} votes",
    )
    folds = f"{len(record.folds)} folds" if len(record.folds) > 1 else "1 fold"
    protocol = f"{record.protocol}, {folds}, dev: {record.dev}"
    leaks = ", LEAKS: not for comparison with speaker-independent results" if record.leaks else ""
    return f"corpus {record.corpus}{made_up}: {', '.join(counts)}; {protocol}{leaks}"


def _reasons(title: str, statistics: DataStatistics) -> list[str]:
    rows = statistics.reasons[title]
    return [f"{title}: {sum(n for n, _ in rows)}", *(f"  {n:6d}  {reason}" for n, reason in rows)] if rows else []


def _align(table: CountTable) -> list[str]:
    """Returns the lines of a table; names of speakers are aligned left."""
    texts = [[str(cell) for cell in row] for row in (table.header, *table.rows)]
    last = len(table.header) - 1
    return aligned(texts, "  ", left=(0, last) if table.header[-1] == "speakers" else (0,))
