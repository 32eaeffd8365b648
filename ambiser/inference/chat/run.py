"""Asks a language model about all utterances, keeps its answers in a file, and writes a predictions table."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ambiser.errors import DataError
from ambiser.inference.chat.answers import Reading, read_answers, read_tokens
from ambiser.inference.chat.client import Answer, Endpoint
from ambiser.inference.chat.prompts import Prompt
from ambiser.io.files import digest, parse_json, write_text
from ambiser.io.tables import write_tsv


@dataclass(frozen=True)
class Item:
    """An utterance: its wav file (None without sound) and its words."""

    utt: str
    audio: Path | None
    words: str


@dataclass(frozen=True)
class Totals:
    """How many answers were read, declined and not understood, and utterances without any that names a class."""

    answers: int
    refusals: int
    unparsable: int
    silent: int


def ask_all(
    endpoint: Endpoint,
    prompt: Prompt,
    items: Sequence[Item],
    classes: Sequence[str],
    store: Path,
    *,
    parallel: int,
    each: Callable[[Iterable, int], Iterable],
) -> dict[str, Answer]:
    """Returns the answers by utterance; those in the store are not asked for again.

    Args:
        endpoint, prompt: what is asked, and whom.
        items: the utterances.
        classes: for the prompt.
        store: a file with one JSON object per answered utterance, written as answers arrive.
        parallel: requests at the same time.
        each: wraps the answers and their number (a progress bar).
    """
    key = digest(prompt.text, *classes, *(f"{value}" for value in vars(endpoint).values()))[:16]
    found = _read_store(store, key)
    open_items = [item for item in items if item.utt not in found]
    store.parent.mkdir(parents=True, exist_ok=True)
    with open(store, "a", encoding="utf-8") as stream, ThreadPoolExecutor(parallel) as pool:
        asked = pool.map(lambda item: endpoint.ask(prompt.fill(classes, item.words), item.audio), open_items)
        try:
            for item, answer in each(zip(open_items, asked, strict=True), len(open_items)):
                found[item.utt] = answer
                line = {"key": key, "utt": item.utt, "texts": answer.texts, "tokens": answer.tokens}
                stream.write(json.dumps(line, ensure_ascii=False) + "\n")
                stream.flush()
        except BaseException:
            pool.shutdown(cancel_futures=True)  # or all other utterances would be asked for before the error shows
            raise
    return found


def _read_store(store: Path, key: str) -> dict[str, Answer]:
    """Returns the stored answers to the same question; a last line that a killed run left unfinished is dropped."""
    found: dict[str, Answer] = {}
    text = store.read_text(encoding="utf-8") if store.is_file() else ""
    if text and not text.endswith("\n"):
        text = text[: text.rfind("\n") + 1]
        write_text(store, text)
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            one = parse_json(line)
            same, answer = one["key"] == key, Answer(list(one["texts"]), dict(one["tokens"]))
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{store}:{number}: is no stored answer; remove the line") from error
        if same:
            found[one["utt"]] = answer
    return found


def write_predictions(
    path: Path,
    utts: Sequence[str],
    answers: Mapping[str, Answer],
    *,
    classes: Sequence[str],
    words: Mapping[str, int],
    smoothing: float,
) -> Totals:
    """Writes the table that `--predictions` of stage 7 reads; an utterance without an answer gets equal shares.

    Args:
        path: the table.
        utts: the utterances.
        answers: by utterance.
        classes: the columns.
        words: class by word.
        smoothing: see `read_answers`; not used for probabilities of tokens.
    """
    readings: list[Reading] = []
    for utt in utts:
        answer = answers[utt]
        by_tokens = read_tokens(answer.tokens, words, len(classes)) if answer.tokens else None
        readings.append(by_tokens or read_answers(answer.texts, words, len(classes), smoothing))
    equal = np.full(len(classes), 1 / len(classes))
    probs = [equal if reading.probs is None else reading.probs for reading in readings]
    rows = ([utt, *(f"{value:.8f}" for value in row)] for utt, row in zip(utts, probs, strict=True))
    write_tsv(path, ["utt", *classes], rows)
    return Totals(
        sum(1 if answers[utt].tokens else len(answers[utt].texts) for utt in utts),
        sum(reading.refusals for reading in readings),
        sum(reading.unparsable for reading in readings),
        sum(reading.probs is None for reading in readings),
    )
