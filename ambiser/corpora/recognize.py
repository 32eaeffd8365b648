"""Recognizes a corpus by its files, runs its parser, and describes what it found."""

import re
from collections import Counter
from pathlib import Path

from ambiser.config.data_keys import Data
from ambiser.corpora.audio_headers import measure_audio
from ambiser.corpora.corpus import Corpus
from ambiser.corpora.parsers import CORPORA
from ambiser.errors import DataError
from ambiser.labels.vote_table import ANONYMOUS

_SHOWN = 12
_OTHER = re.compile(r" is not (?!a folder)[^;,]*(: |;)")  # how a parser refuses the folder of another corpus


def recognize(corpus_dir: Path, *, name: str = "", allow_incomplete: bool = False) -> Corpus:
    """Parses a folder with the parser that fits; of several the one that finds the most utterances.

    Args:
        corpus_dir: the folder of a corpus.
        name: of the parser; empty tries all.
        allow_incomplete: leave utterances with a fault out, as `data.allow_incomplete`.

    Returns:
        The corpus; its findings hold the faults, those of the headers of the audio too.

    Raises:
        DataError: no parser fits; if one names a remedy (unpack an archive, name a subfolder), its message.
    """
    found: list[Corpus] = []
    hints: list[str] = []
    # The embedded corpus has the layout of IEMOCAP.
    names = [name] if name else [one for one in CORPORA if one != "mini"]
    for one in names:
        try:
            corpus = CORPORA[one](corpus_dir, Data(corpus=one, allow_incomplete=allow_incomplete))
        except DataError as error:
            if name:
                raise
            hints += [str(error)] if not _OTHER.search(str(error)) else []
        else:
            found.append(corpus)
    if not found:
        hint = "; ".join(hints) or f"known corpora: {', '.join(names)}; for another one see egs/kaldi/README.md"
        raise DataError(f"{corpus_dir}: is not recognized as a corpus; {hint}")
    corpus = max(found, key=lambda one: len(one.utterances))
    uncut = [one for one in corpus.utterances if one.utt not in corpus.cuts]
    measured = measure_audio(Corpus(corpus.name, uncut, corpus.findings))
    corpus.utterances = sorted(
        [*measured.kept, *(one for one in corpus.utterances if one.utt in corpus.cuts)], key=lambda u: u.utt.encode()
    )
    return corpus


def describe(corpus: Corpus, root: Path) -> list[tuple[str, str]]:
    """Returns named facts: counts of utterances, speakers and votes, labels, what was left out, and warnings."""
    utterances, findings = corpus.utterances, corpus.findings
    votes = [vote for one in utterances for vote in one.votes]
    names = {vote.rater for vote in votes}
    raters = "anonymous" if any(name.startswith(ANONYMOUS) for name in names) else str(len(names))
    labels = ", ".join(f"{label} {count}" for label, count in Counter(vote.label for vote in votes).most_common())
    facts = [
        ("corpus", f"{corpus.name} {corpus.version}".strip()),
        ("folder", str(root)),
        ("utterances", f"{len(utterances)} of {len({one.speaker for one in utterances})} speakers"),
        ("votes", f"{len(votes)} of {raters} raters, {len(votes) / max(len(utterances), 1):.2f} per utterance"),
        ("labels", labels or "none"),
        ("words", f"{sum(bool(one.text.strip()) for one in utterances)} utterances with a transcript"),
    ]
    reasons = Counter(findings.left_out.values()).most_common(_SHOWN)
    facts += [("left out", f"{count}: {reason}") for reason, count in reasons]
    facts += [("warning", f"{count}: {what}") for what, count in findings.warnings.most_common(_SHOWN)]
    facts += [("faults", str(len(findings.faults)) if findings.faults else "none")]
    return facts
