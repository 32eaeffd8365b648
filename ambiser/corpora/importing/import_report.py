"""Describes an import for the terminal: what was read, what was not matched, and the next command."""

from collections import Counter
from pathlib import Path

from ambiser.config.data_keys import LabelPolicy
from ambiser.corpora.importing.import_corpus import ImportedCorpus

_EXAMPLES = 3


def describe_import(done: ImportedCorpus, out_dir: Path) -> str:
    """Returns the report for the terminal: form, columns, mapping of words, what was not matched, and what is next."""
    forms = {
        "long": "one vote per row",
        "raters": "a column per rater",
        "counts": "votes per class",
        "single": "one label",
    }
    lines = [f"{len(done.audio)} utterances and {done.votes} votes ({forms[done.form]}) written to {out_dir}"]
    lines += _describe_columns(done)
    lines += [f"  label {word!r} -> {code}: {n}" for (word, code), n in sorted(done.words.items())]
    for reason, n in Counter(done.skipped.values()).most_common():
        names = [utt for utt, why in done.skipped.items() if why == reason][:_EXAMPLES]
        lines.append(f"  skipped rows, {reason}: {n}, such as {', '.join(names)}")
    if done.left_over:
        names = ", ".join(Path(path).name for path in done.left_over[:_EXAMPLES])
        lines.append(f"  audio that no row names: {len(done.left_over)}, such as {names}")
    if done.votes == len(done.audio):
        lines.append("  one vote per utterance: hard labels only; see egs/kaldi/README.md for what that allows")
    lines += _describe_other_labels(done.words)
    return "\n".join([*lines, f"next, in egs/kaldi: ./run.sh --corpus_dir {out_dir.resolve()}"])


def _describe_columns(done: ImportedCorpus) -> list[str]:
    """Returns lines with the columns as --columns takes them, the columns of votes, and those that were not read."""
    lines = [f"  columns: {' '.join(f'{meaning}={name!r}' for meaning, name in done.columns.items())}"]
    if "label" not in done.columns:
        lines.append(f"  columns of {'votes' if done.form == 'raters' else 'counts'}: {', '.join(done.label_columns)}")
    if done.unused:
        lines.append(f"  columns not read: {', '.join(done.unused)}; name a column with --columns MEANING=NAME")
    return lines


def _describe_other_labels(words: Counter[tuple[str, str]]) -> list[str]:
    """Returns a line on labels outside the default classes, with the option that makes them classes."""
    classes = LabelPolicy().classes
    counts: Counter[str] = Counter()
    for (_, code), n in words.items():
        counts[code] += n
    other = sorted(counts.keys() - {"-"} - {code for members in classes.values() for code in members})
    if not other:
        return []
    named = ", ".join(f"{code} {counts[code]}" for code in other)
    all_classes = ", ".join(
        f"{name}: [{', '.join(codes)}]" for name, codes in (classes | {c: [c] for c in other}).items()
    )
    option = f'--set "labels.classes={{{all_classes}}}"'
    return [f"  votes outside the default classes ({', '.join(classes)}): {named}; to make them classes: {option}"]
