"""Writes a parsed corpus as tables and folds (stage 1); corpus.json comes last and marks the stage as done."""

import os
from collections import Counter
from pathlib import Path

from ambiser.config import differing_keys
from ambiser.config.data_keys import LEAKING, Data
from ambiser.corpora.audio_headers import Measured, measure_audio
from ambiser.corpora.corpus import Corpus, Utterance
from ambiser.corpora.cuts import cut_audio
from ambiser.corpora.data_tables import check_tables, remove_stale, write_folds, write_tables
from ambiser.corpora.folds import make_folds
from ambiser.corpora.input_digests import refuse_changes, write_inputs
from ambiser.corpora.leaks import guard_folds
from ambiser.corpora.mini.mini_corpus import make_mini
from ambiser.corpora.parsers import CORPORA
from ambiser.corpora.rotation import Split
from ambiser.errors import ConfigError, DataError
from ambiser.io.console import log
from ambiser.io.corpus_record import CorpusRecord, read_record
from ambiser.io.layout import Layout
from ambiser.io.locks import hold
from ambiser.io.tables import write_tsv
from ambiser.io.threads import without_collection


def prepare_data(corpus_dir: Path | None, data: Data, layout: Layout) -> CorpusRecord:
    """Prepares the data folder, or leaves it alone when it is there with the same settings.

    Args:
        corpus_dir: the corpus; None is data_dir/corpus for corpus mini, which is made when it is missing.
        data: the data section of the configuration.
        layout: where the tables go.

    Returns:
        The record of stage 1 (corpus.json).

    Raises:
        ConfigError: the folder was made with other settings, or no corpus is named.
        DataError: the corpus has faults, or its files have changed since the folder was made.
    """
    if layout.corpus_record().is_file():  # it may be read-only
        return _prepare(corpus_dir, data, layout)
    with hold(layout.prepare_lock()):
        return _prepare(corpus_dir, data, layout)


def _prepare(corpus_dir: Path | None, data: Data, layout: Layout) -> CorpusRecord:
    corpus_dir = _corpus_folder(corpus_dir, data, layout).resolve()
    settings = {"corpus_dir": str(corpus_dir), "data": data.model_dump(mode="json")}
    record = find_record(layout, settings)
    if data.corpus == "mini" and _is_missing_or_empty(corpus_dir):
        log.info("synthesizing a corpus of %d utterances in %s", data.mini_utterances, corpus_dir)
        make_mini(corpus_dir, data.mini_utterances, data.mini_conflict)
    if record is not None:
        refuse_changes(layout, corpus_dir)
        log.info(
            "%s is up to date: tables and folds stay; the statistics below are those of the current labels.* keys",
            layout.corpus_record(),
        )
        return record
    with without_collection():
        try:
            corpus = CORPORA[data.corpus](corpus_dir, data)
        except OSError as error:
            place = _blocked(Path(error.filename or corpus_dir))
            raise DataError(f"{place}: cannot be read: {error.strerror or error}") from error
        return write_corpus(corpus, settings=settings, data=data, layout=layout)


def find_record(layout: Layout, settings: dict[str, object]) -> CorpusRecord | None:
    """Returns the record of stage 1 if there is one, after comparing the settings.

    Raises:
        ConfigError: the folder was made with other settings; every differing key is named.
    """
    if not layout.corpus_record().is_file():
        return None
    record = read_record(layout.corpus_record())
    lines = differing_keys(record.settings(), settings)
    if lines:
        remedy = "use another --data_dir, or remove it to prepare it again"
        raise ConfigError("\n  ".join([f"{layout.data_dir} was made with other settings; {remedy}:", *lines]))
    return record


def write_corpus(corpus: Corpus, *, settings: dict[str, object], data: Data, layout: Layout) -> CorpusRecord:
    """Cuts recordings, reads the audio headers, writes and checks tables and folds, and writes corpus.json last.

    Raises:
        DataError: no utterance is left, the corpus cannot be split as asked, or a fold leaks.
    """
    root = Path(settings["corpus_dir"])
    _leave_out(corpus, data.leave_out)
    recordings = cut_audio(corpus, layout.data_dir / "cut")
    measured = measure_audio(corpus)
    corpus.findings.refuse(root, layout.data_dir / "faults.tsv")
    kept = measured.kept
    if not kept:
        reasons = Counter(corpus.findings.left_out.values()).most_common(3)
        raise DataError(f"{root}: no utterance is left; most frequent reasons: {reasons}")
    _compare_names(kept, corpus)
    split = make_folds(kept, data)
    leaks = guard_folds(split.guarded(), kept, measured.twins, allowed=data.protocol in LEAKING or data.allow_leaks)
    for folder in (layout.data_dir, layout.data_dir / "all", *layout.data_dir.glob("fold*")):
        remove_stale(folder)
    write_tables(corpus, kept, measured.durations_s, layout)
    # Places are relative to the corpus, so that they are the same on every disk.
    places = sorted((what, where.replace(f"{root}/", "")) for what, where in corpus.findings.places)
    write_tsv(layout.table("warnings.tsv"), ["what", "where"], places)
    write_folds(split.folds, layout)
    check_tables(layout, split.folds)
    write_inputs(layout, root, corpus.findings.inputs, recordings | {u.wav: measured.probes[u.utt] for u in kept})
    record = make_record(corpus, measured, split, leaks=leaks, settings=settings, data=data)
    record.write(layout.corpus_record())
    return record


def make_record(
    corpus: Corpus,
    measured: Measured,
    split: Split,
    *,
    leaks: dict[str, int],
    settings: dict[str, object],
    data: Data,
) -> CorpusRecord:
    """Returns the record of a corpus whose tables are written.

    Args:
        corpus: as parsed; its findings are complete.
        measured: the utterances kept, and their durations.
        split: the folds.
        leaks: from `guard_folds`.
        settings: the folder of the corpus and the `data` section as written.
        data: that section; its version counts, or if empty that of the files of the corpus.
    """
    kept = measured.kept
    return CorpusRecord(
        **settings,
        corpus=corpus.name,
        version=data.version or corpus.version,
        protocol=data.protocol,
        dev=split.dev,
        folds=list(split.folds),
        parts={str(k): {part: len(utts) for part, utts in fold.items()} for k, fold in split.folds.items()},
        sessions=sorted({u.session for u in kept}),
        speakers=sorted({u.speaker for u in kept}),
        utterances=len(kept),
        duration_s=round(sum(measured.durations_s.values()), 4),
        votes=sum(len(u.votes) for u in kept),
        codes=dict(Counter(u.label for u in kept)),
        left_out=len(corpus.findings.left_out),
        warnings=dict(corpus.findings.warnings),
        made_up=corpus.made_up,
        leaks=leaks,
        audio=measured.formats,
    )


def _leave_out(corpus: Corpus, utts: list[str]) -> None:
    """Takes out the utterances that the user names, before their audio is looked at.

    Raises:
        DataError: the corpus has no such utterance.
    """
    names = {u.utt for u in corpus.utterances}
    unknown = [utt for utt in utts if utt not in names]
    if unknown:
        raise DataError(f"data.leave_out: {corpus.name} has no utterance {unknown[0]!r}; remove it from the list")
    for utt in utts:
        corpus.findings.drop(utt, "by the user's choice (data.leave_out)")
    corpus.utterances = [u for u in corpus.utterances if u.utt not in set(utts)]


def _compare_names(utterances: list[Utterance], corpus: Corpus) -> None:
    """Lists names that differ only in case: two files on one disk, one file on another."""
    folded: dict[str, str] = {}
    for u in utterances:
        other = folded.setdefault(u.utt.casefold(), u.utt)
        if other != u.utt:
            corpus.findings.warn("utterances whose names differ only in case", where=f"{other} and {u.utt}")


def _corpus_folder(corpus_dir: Path | None, data: Data, layout: Layout) -> Path:
    if corpus_dir is not None:
        return Path(corpus_dir)
    if data.corpus == "mini":
        return layout.data_dir / "corpus"
    raise ConfigError(f"--corpus_dir is missing: name the folder that holds {data.corpus}")


def _blocked(path: Path) -> Path:
    """Returns the outermost folder of a path that may not be entered, otherwise the path, which may not exist."""
    effective = os.access in os.supports_effective_ids
    folders = (folder for folder in reversed(path.parents) if not os.access(folder, os.X_OK, effective_ids=effective))
    return next(folders, path)


def _is_missing_or_empty(folder: Path) -> bool:
    try:
        return not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    except OSError:  # the parser says why
        return False
