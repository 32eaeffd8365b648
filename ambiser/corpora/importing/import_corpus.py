"""Matches a table of labels with a folder of audio, and writes both as a Kaldi data directory."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ambiser.corpora.findings import Findings
from ambiser.corpora.importing.converted import CONVERTED, convert_audio
from ambiser.corpora.importing.label_words import LabelWords
from ambiser.corpora.importing.table_forms import ImportedTable, read_label_table
from ambiser.corpora.importing.written_folder import write_folder
from ambiser.corpora.threads import without_collection
from ambiser.errors import ConfigError, DataError

READABLE = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".au")
_EXAMPLES = 3


@dataclass
class ImportedCorpus:
    """What was written.

    Attributes:
        form: of the table: long, raters, counts or single.
        audio: path by utterance.
        votes: number of votes.
        words: how often each word was mapped to each code.
        left_over: audio files that no row names.
        skipped: utterances left out, with the reason.
    """

    form: str
    audio: dict[str, Path]
    votes: int
    words: Counter[tuple[str, str]]
    left_over: list[str]
    skipped: dict[str, str] = field(default_factory=dict)


def import_table(
    table_path: Path,
    audio_dir: Path,
    out_dir: Path,
    *,
    labels: dict[str, str],
    columns: dict[str, str],
    new_labels: Sequence[str] = (),
    speaker_pattern: str = "",
    allow_incomplete: bool = False,
) -> ImportedCorpus:
    """Writes wav.scp, utt2spk, votes.tsv, the other tables, and import.tsv: what was matched.

    Args:
        table_path: CSV, TSV or XLSX.
        audio_dir: searched with all folders below it; a file is found by its name, with or without ending.
        out_dir: the new data directory.
        labels: own words and their codes.
        columns: own names of columns.
        new_labels: codes of labels that the built-in vocabulary lacks; written to own_labels.
        speaker_pattern: regular expression whose first group is the speaker in the name of the file.
        allow_incomplete: leave out rows without audio, votes or speaker.

    Raises:
        DataError: the table or the audio has faults; all are listed in out_dir/faults.tsv.
    """
    findings, words = Findings(allow_incomplete), LabelWords(labels, new_labels)
    with without_collection():
        table = read_label_table(table_path, words, findings, columns)
    audio = find_audio(audio_dir)
    matched: dict[str, tuple[str, Path]] = {}
    for name, line in table.lines.items():
        _match(name, f"{table_path}:{line}", table, audio, matched, findings)
    speakers = _find_speakers(matched, table, speaker_pattern, table_path, findings)
    if findings.faults:  # before conversions, which take long
        findings.refuse(listing=out_dir / "faults.tsv")
    wavs = convert_audio((matched[utt][1] for utt in speakers), out_dir / "audio", findings)
    findings.refuse(listing=out_dir / "faults.tsv")
    files = {utt: matched[utt][1] for utt in sorted(speakers) if matched[utt][1].stem not in findings.left_out}
    if not files:
        raise DataError(f"{table_path}: no row has audio, votes and a speaker; see {audio_dir}")
    kept = {utt: (matched[utt][0], wavs.get(path, path)) for utt, path in files.items()}
    votes = write_folder(out_dir, table, kept, speakers, new_labels=words.new_labels, findings=findings)
    left_over = sorted({str(path) for paths in audio.values() for path in paths} - set(map(str, files.values())))
    return ImportedCorpus(table.form, files, votes, words.mapped, left_over, findings.left_out)


def find_audio(folder: Path) -> dict[str, list[Path]]:
    """Returns the audio files below a folder by stem in small letters.

    Raises:
        DataError: the folder is not there or holds no audio.
    """
    if not Path(folder).is_dir():
        raise DataError(f"{folder} is not a folder; --audio_dir must name the folder of the audio")
    found: dict[str, list[Path]] = {}

    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename}: cannot be read: {error.strerror}") from error

    endings = (*READABLE, *CONVERTED)
    for place, _, names in os.walk(folder, onerror=refuse):
        base = Path(place).resolve()
        for name in sorted(names):
            if name.lower().endswith(endings) and not name.startswith("."):
                found.setdefault(os.path.splitext(name)[0].casefold(), []).append(base / name)
    if not found:
        raise DataError(f"{folder} contains no audio; supported formats: {', '.join((*READABLE, *CONVERTED))}")
    return {stem: _prefer_readable(paths) for stem, paths in found.items()}


def _prefer_readable(paths: list[Path]) -> list[Path]:
    """Drops a video or m4a beside a file of the same name that needs no conversion."""
    return [path for path in paths if path.suffix.lower() in READABLE] or paths


def describe_import(done: ImportedCorpus, out_dir: Path) -> str:
    """Returns the report for the terminal: form, mapping of words, what was matched and what was not."""
    forms = {
        "long": "one vote per row",
        "raters": "a column per rater",
        "counts": "votes per class",
        "single": "one label",
    }
    lines = [f"{len(done.audio)} utterances and {done.votes} votes ({forms[done.form]}) written to {out_dir}"]
    lines += [f"  label {word!r} -> {code}: {n}" for (word, code), n in sorted(done.words.items())]
    for reason, n in Counter(done.skipped.values()).most_common():
        names = [utt for utt, why in done.skipped.items() if why == reason][:_EXAMPLES]
        lines.append(f"  left out, {reason}: {n}, such as {', '.join(names)}")
    if done.left_over:
        names = ", ".join(Path(path).name for path in done.left_over[:_EXAMPLES])
        lines.append(f"  audio that no row names: {len(done.left_over)}, such as {names}")
    if done.votes == len(done.audio):
        lines.append("  one vote per utterance: hard labels only; see egs/kaldi/README.md for what that allows")
    return "\n".join(lines)


def _match(
    name: str,
    where: str,
    table: ImportedTable,
    audio: dict[str, list[Path]],
    matched: dict[str, tuple[str, Path]],
    findings: Findings,
) -> None:
    """Finds the audio of a row by name: with or without ending, in any case, in any folder."""
    plain = table.files[name].replace("\\", "/").rsplit("/", 1)[-1]
    stem = os.path.splitext(plain)[0] if plain.lower().endswith((*READABLE, *CONVERTED)) else plain
    paths = audio.get(stem.casefold(), [])
    span = "".join(f"_{round(1000 * time_s):07d}" for time_s in table.spans.get(name, ()))
    utt = "_".join(stem.split()) + span
    if not paths:
        findings.leave_out(name, "has no audio", where)
    elif len(paths) > 1:
        findings.leave_out(name, "has several audio files of this name", where, ", ".join(map(str, paths[:_EXAMPLES])))
    elif not table.votes[name]:
        findings.leave_out(name, "has no votes", where)
    elif utt in matched:
        findings.error("another row names the same audio in another way", where, f"{name}, {matched[utt][0]}")
    else:
        matched[utt] = (name, paths[0])


def _find_speakers(
    matched: dict[str, tuple[str, Path]], table: ImportedTable, pattern: str, path: Path, findings: Findings
) -> dict[str, str]:
    """Returns the speaker of every utterance, from the table or from the name.

    Raises:
        ConfigError: neither is given, or the pattern is no regular expression with a group.
    """
    try:
        compiled = re.compile(pattern) if pattern else None
    except re.error as error:
        raise ConfigError(f"--speaker_pattern {pattern!r}: is not a regular expression: {error}") from error
    if compiled is not None and compiled.groups < 1:
        raise ConfigError(f"--speaker_pattern {pattern!r}: needs a group in parentheses that is the speaker")
    if compiled is None and matched and not any("speaker" in about for about in table.about.values()):
        raise ConfigError(
            f"{path}: no column names the speaker; folds need it: give --columns speaker=NAME, or --speaker_pattern "
            "with a group for the speaker in the file name, such as '^([^_]+)_'"
        )
    speakers = {}
    for utt, (name, _) in matched.items():
        hit = compiled.search(utt) if compiled else None
        speaker = (hit[1] if hit else "") if compiled else table.about[name].get("speaker", "")
        if speaker:
            speakers[utt] = "_".join(speaker.split())
        else:
            findings.leave_out(utt, "has no speaker", f"{path}:{table.lines[name]}")
    return speakers
