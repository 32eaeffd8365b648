"""Writes the embedded corpus: made-up voices and raters in IEMOCAP's layout, the same bytes on every run."""

import contextlib
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from ambiser.config.data_keys import MINI_CONFLICT, Data
from ambiser.corpora.corpus import Corpus
from ambiser.corpora.iemocap import read_release
from ambiser.corpora.mini.mini_files import (
    APPLE_DOUBLE,
    read_conflict,
    write_alignment,
    write_dialog,
    write_readme,
    write_wav,
)
from ambiser.corpora.mini.mini_plan import SEED, PlannedTurn, make_speaker, plan_corpus
from ambiser.corpora.mini.voices import speak
from ambiser.errors import ConfigError, DataError
from ambiser.io.console import progress

MOST_UTTERANCES = 8000  # turn numbers have three digits
_UNALIGNED = ("Ses03F_impro01_F001", "Ses03M_script01_1_M001")


def read_mini(corpus_dir: Path, data: Data) -> Corpus:
    """Reads the embedded corpus with the parser of IEMOCAP.

    Raises:
        ConfigError: the folder was made with another data.mini_utterances or data.mini_conflict.
    """
    corpus = read_release(corpus_dir, allow_incomplete=data.allow_incomplete)
    there = len(corpus.utterances) + len(corpus.findings.left_out)
    if there != data.mini_utterances and not data.allow_incomplete and not corpus.findings.faults:
        raise ConfigError(
            f"{corpus_dir} holds {there} utterances, data.mini_utterances is {data.mini_utterances}; "
            "remove the folder to make it again, or use another --data_dir"
        )
    conflict = read_conflict(corpus_dir)
    if conflict != data.mini_conflict:
        raise ConfigError(
            f"{corpus_dir} was made with data.mini_conflict {conflict:g}, not {data.mini_conflict:g}; "
            "remove the folder to make it again, or use another --data_dir"
        )
    return replace(corpus, name="mini", made_up=True)


def make_mini(corpus_dir: Path, n_utterances: int, conflict: float = MINI_CONFLICT) -> None:
    """Makes the corpus; the folder appears when it is complete.

    Args:
        corpus_dir: the folder.
        n_utterances: in all.
        conflict: share of utterances whose words are drawn independently of the voice.

    Raises:
        ConfigError: more utterances than turn numbers can tell apart.
        DataError: it cannot be written.
    """
    if n_utterances > MOST_UTTERANCES:
        raise ConfigError(f"data.mini_utterances: must be at most {MOST_UTTERANCES}, got {n_utterances}")
    corpus_dir = Path(corpus_dir)
    for stale in corpus_dir.parent.glob(f".{corpus_dir.name}.*.tmp"):
        shutil.rmtree(stale, ignore_errors=True)
    temporary = corpus_dir.with_name(f".{corpus_dir.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True)
        _fill(temporary, n_utterances, conflict)
        os.replace(temporary, corpus_dir)
    except OSError as error:
        raise DataError(f"{corpus_dir}: cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(temporary, ignore_errors=True)


def _fill(root: Path, n_utterances: int, conflict: float) -> None:
    dialogs = plan_corpus(n_utterances, conflict)
    for dialog, turns in dialogs.items():
        write_dialog(root, dialog, turns)
    turns = [turn for dialog in dialogs.values() for turn in dialog]
    for number, turn in enumerate(progress(turns, "making the corpus")):
        folder = root / f"Session{turn.turn[4]}" / "sentences" / "wav" / turn.turn.rpartition("_")[0]
        write_wav(folder / f"{turn.turn}.wav", _speak(turn, number))
        if turn.turn.endswith("_F000"):
            (folder / f"._{turn.turn}.wav").write_bytes(APPLE_DOUBLE)
        if turn.turn not in _UNALIGNED:
            write_alignment(root, turn)
    write_readme(root, n_utterances, conflict)


def _speak(turn: PlannedTurn, number: int) -> bytes:
    rng = np.random.default_rng([SEED, 300, number])
    return speak(turn.units, speaker=make_speaker(turn.speaker), prosody=turn.prosody, rng=rng).tobytes()
