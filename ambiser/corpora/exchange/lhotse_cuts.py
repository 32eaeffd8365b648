"""Reads Lhotse cuts with votes in their supervisions as a Kaldi data directory."""

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ambiser.corpora.corpus import Utterance, Vote, gender_code
from ambiser.corpora.exchange.kaldi_folder import key_of, write_kaldi_folder
from ambiser.corpora.findings import IMPORT_REMEDY, Findings
from ambiser.corpora.importing.label_words import LabelWords
from ambiser.errors import ConfigError, DataError, first_line
from ambiser.io.audio import MOST_SAMPLES, RATES_HZ, check_length, read_info
from ambiser.io.files import atomic_open, parse_json
from ambiser.io.packed import read_lines

_SAME_S = 0.01  # a cut that differs less from its recording takes the file of the recording
_MOST_VOTES = 1000  # of an utterance for one label
_TRANSFORMS = ("Speed", "Tempo", "Volume", "Resample", "Narrowband", "Clipping", "LoudnessNormalization")
"""What Lhotse may do to audio; others read files of their own."""
_FACTORS = (0.1, 10)  # of speed and tempo
_MOST_TAPS = 2**25  # of Lhotse's filter between two sample rates, 8 bytes each


def import_cuts(
    source: Path, out: Path, *, labels: Mapping[str, str], allow_incomplete: bool = False, key: str = "votes"
) -> int:
    """Writes a data directory from a manifest of cuts, and returns the number of utterances.

    The votes are in `supervision.custom[KEY]`: a list of labels, of {rater, label} or of [rater, label], or
    {rater: label} or {label: count}; without it, `custom["emotion"]` is the only vote. A cut that is a whole recording
    keeps its file; others are cut out to out/wav.

    Args:
        source: cuts.jsonl or cuts.jsonl.gz.
        out: the data directory.
        labels: own words for labels and their codes.
        allow_incomplete: leave out cuts without audio, votes or speaker.
        key: of the votes.

    Raises:
        ConfigError: lhotse is not installed.
        DataError: the manifest holds no cuts, or cuts have faults; all are listed in out/faults.tsv.
    """
    try:
        from lhotse.serialization import deserialize_item
    except ImportError as error:
        raise ConfigError("reading cuts needs the package lhotse; run pip install lhotse") from error
    findings, words, made = Findings(allow_incomplete, remedy=IMPORT_REMEDY), LabelWords(labels), {}
    for line, cut in enumerate(_cuts(source, deserialize_item), start=1):
        utt, where = key_of(cut.id), f"{source}:{line}"
        if utt in made:
            findings.error("another cut has this name", where, utt)
        elif (one := _read_cut(utt, cut, where, words, findings, out, key)) is not None:
            made[utt] = one
    findings.hints += words.suggest()
    findings.refuse(listing=out / "faults.tsv")
    write_kaldi_folder(out, list(made.values()), source)
    return len(made)


def _cuts(source: Path, make_cut: Callable[[object], object]) -> Iterator[object]:
    """Yields the cuts; lhotse's own reader would unpack any number of bytes into one line.

    Raises:
        DataError: the file is no manifest of cuts, or unpacks to far more than its size.
    """
    try:
        for line in read_lines(source):
            cut = make_cut(parse_json(line.decode("utf-8")))
            if not hasattr(cut, "supervisions"):
                raise ValueError("it holds other objects than cuts")
            yield cut
    except Exception as error:  # a damaged manifest fails anywhere inside of lhotse
        raise DataError(f"{source}: is no manifest of Lhotse cuts: {first_line(error)}") from error


def _read_cut(
    utt: str, cut: object, where: str, words: LabelWords, findings: Findings, out: Path, key: str
) -> Utterance | None:
    supervisions = cut.supervisions
    if len(supervisions) != 1:
        reason = "has no supervision" if not supervisions else "has several supervisions; cut them apart first"
        findings.leave_out(utt, reason, where)
        return None
    custom = supervisions[0].custom if isinstance(supervisions[0].custom, Mapping) else {}
    votes = _votes(custom.get(key, custom.get("emotion")), where, words, findings)
    for value, reason in ((votes, "has no votes"), (supervisions[0].speaker, "has no speaker")):
        if not value:
            findings.leave_out(utt, reason, where)
            return None
    try:
        wav = _audio(utt, cut, out)
    except Exception as error:  # lhotse reads audio with many libraries, each with its own errors
        findings.leave_out(utt, "has no readable audio", where, first_line(error)[:200])
        return None
    one = supervisions[0]
    gender = gender_code(str(one.gender or "")) or "u"
    texts = {"session": key_of(custom.get("session") or ""), "recording": key_of(one.recording_id)}
    return Utterance(
        utt, wav, key_of(one.speaker), gender, label="", text=str(one.text or ""), votes=votes, ratings=(), **texts
    )


def _votes(given: object, where: str, words: LabelWords, findings: Findings) -> tuple[Vote, ...]:
    votes = []
    for number, (rater, label) in enumerate(_pairs(given), start=1):
        code = words.code(str(label))
        if not code:
            findings.error("is not a known label; map it with --labels WORD=CODE", where, str(label))
        elif code != "-":
            votes.append(Vote(key_of(rater or f"anon{number}"), "outside", code))
    return tuple(votes)


def _pairs(given: object) -> list[tuple[object, object]]:
    """Returns rater and label of each vote; the rater is None where a form names none."""
    if isinstance(given, Mapping):
        if not all(isinstance(count, int) and 0 <= count <= _MOST_VOTES for count in given.values()):
            return list(given.items())
        return [(None, label) for label, count in given.items() for _ in range(count)]
    pairs = []
    for one in given if isinstance(given, list) else [given] if given is not None else []:
        if isinstance(one, Mapping):
            pairs.append((one.get("rater"), one.get("label")))
        elif isinstance(one, Sequence) and not isinstance(one, str) and len(one) == 2:
            pairs.append(tuple(one))
        else:
            pairs.append((None, one))
    return pairs


def _audio(utt: str, cut: object, out: Path) -> Path:
    """Returns the file of the recording if the cut is all of it, else a new wav of the cut."""
    import soundfile

    _check_sources(cut)
    recording = getattr(cut, "recording", None)
    whole = recording is not None and abs(cut.duration - recording.duration) < _SAME_S and cut.start < _SAME_S
    sources = recording.sources if whole and not recording.transforms else []
    if len(sources) == 1 and sources[0].type == "file" and recording.num_channels == 1:
        return Path(sources[0].source).resolve()
    _check_size(cut)
    samples = cut.load_audio()  # (channels, samples)
    path = out.resolve() / "wav" / f"{utt.replace('/', '_')}.wav"
    with atomic_open(path, "wb") as stream:
        soundfile.write(stream, np.ascontiguousarray(samples.T), cut.sampling_rate, format="WAV", subtype="FLOAT")
    return path


def _check_sources(cut: object) -> None:
    """Checks that loading the audio reads files alone: Lhotse also runs commands and opens addresses.

    Raises:
        ValueError: the manifest names another source, or a file that does not exist.
    """
    for track in getattr(cut, "tracks", ()):
        _check_sources(track.cut)
    recording = getattr(cut, "recording", None)
    for source in recording.sources if recording else ():
        if source.type != "file":
            raise ValueError(f"the audio is a {source.type}; only files are read")
        if not os.path.isfile(source.source):
            raise ValueError(f"{source.source} is missing")
    for transform in [*((recording and recording.transforms) or ()), *(getattr(cut, "transforms", None) or ())]:
        name = transform.get("name") if isinstance(transform, Mapping) else type(transform).__name__
        if name not in _TRANSFORMS:
            raise ValueError(f"the transform {name} may read other files; only {', '.join(_TRANSFORMS)} are used")
        _check_rates(name, transform if isinstance(transform, Mapping) else vars(transform), cut.sampling_rate)


def _check_size(cut: object) -> None:
    """Checks that loading the audio of a cut takes no more memory than reading the longest recording.

    Raises:
        ValueError: the cut, its tracks together, or a file are longer.
        DataError: likewise.
    """
    parts = [track.cut for track in getattr(cut, "tracks", ())] or [cut]
    total = max(cut.num_samples, sum(part.num_samples for part in parts))
    if total > MOST_SAMPLES:
        raise ValueError(f"{total} samples at once are more than {MOST_SAMPLES}; cut the recording")
    for part in parts:
        for source in part.recording.sources if getattr(part, "recording", None) else ():
            try:
                info = read_info(source.source)
            except DataError:  # lhotse reads more formats than soundfile
                continue
            check_length(source.source, info, info.samples)


def _check_rates(name: str, transform: Mapping[str, object], rate_hz: int) -> None:
    """Checks that a transform makes neither far more samples nor a filter of gigabytes.

    Raises:
        ValueError: a rate or factor is out of its range, or two rates share no large divisor.
    """
    given = {**transform, **(transform.get("kwargs") or {})}
    rates = [given[key] for key in given if key.endswith("sampling_rate")]
    if name in ("Speed", "Tempo"):
        if not _FACTORS[0] <= given["factor"] <= _FACTORS[1]:
            raise ValueError(f"{name} by {given['factor']} is not between {_FACTORS[0]} and {_FACTORS[1]}")
        rates = [rate_hz, round(rate_hz * given["factor"])]
    if not all(RATES_HZ[0] <= rate <= RATES_HZ[1] for rate in rates):
        raise ValueError(f"the transform {name} has a sample rate that is not between 1 kHz and 1 MHz")
    if len(rates) == 2 and math.prod(rates) // math.gcd(*rates) ** 2 > _MOST_TAPS:
        raise ValueError(f"{name} between {rates[0]} and {rates[1]} Hz needs a filter of more than {_MOST_TAPS} taps")
