"""Matches a table of labels with a folder of audio, and writes both as a Kaldi data directory."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ambiser.corpora.corpus import gender_code
from ambiser.corpora.findings import IMPORT_REMEDY, Findings
from ambiser.corpora.importing.audio_by_name import find_audio, match_all
from ambiser.corpora.importing.converted import convert_audio
from ambiser.corpora.importing.label_table import ImportedTable, read_label_table
from ambiser.corpora.importing.label_words import LabelWords
from ambiser.corpora.importing.written_folder import write_folder
from ambiser.errors import ConfigError, DataError
from ambiser.io.threads import without_collection


@dataclass
class ImportedCorpus:
    """What was written.

    Attributes:
        form: of the table: long, raters, counts or single.
        columns: the name of the column of each meaning.
        label_columns: the columns that hold votes.
        unused: the columns that were not read.
        audio: path by utterance.
        votes: number of votes.
        words: how often each word was mapped to each code.
        left_over: audio files that no row names.
        skipped: by row that was not imported, the reason.
    """

    form: str
    columns: dict[str, str]
    label_columns: list[str]
    unused: list[str]
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
        audio_dir: searched with all folders below it; a file is found by its name, with or without extension.
        out_dir: the new data directory.
        labels, columns: codes of own words; own names of columns by meaning.
        new_labels: codes of labels that the built-in vocabulary lacks; written to own_labels.
        speaker_pattern: regular expression whose first group is the speaker in the name of the file.
        allow_incomplete: skip rows without audio, votes or speaker.

    Raises:
        DataError: the options, the table or the audio have faults; all are listed in out_dir/faults.tsv.
    """
    findings = Findings(allow_incomplete, remedy=IMPORT_REMEDY)
    words = LabelWords(labels, new_labels, findings)
    with without_collection():
        table = read_label_table(table_path, words, findings, columns)
        audio = find_audio(audio_dir)
        matched = match_all(table, table_path, audio, findings)
        speakers = _find_speakers(matched, table, speaker_pattern, table_path, findings)
        genders = _find_genders(matched, table, speakers, table_path, findings)
        findings.hints += words.suggest()
        kept = _convert(matched, sorted(speakers), out_dir, findings)
        votes = write_folder(out_dir, table, kept, (speakers, genders), new_labels=words.new_labels, findings=findings)
    files = {utt: matched[utt][1] for utt in kept}
    left_over = {str(path) for found in audio.values() for path in found} - {str(path) for _, path in matched.values()}
    about = (table.form, table.columns, table.label_columns, table.unused)
    return ImportedCorpus(*about, files, votes, words.mapped(), sorted(left_over), findings.left_out)


def _convert(
    matched: Mapping[str, tuple[str, Path]], utts: Sequence[str], out_dir: Path, findings: Findings
) -> dict[str, tuple[str, Path]]:
    """Returns name and audio of each utterance, converted where soundfile cannot read it; refuses all faults.

    Raises:
        DataError: there are faults, listed in out_dir/faults.tsv, or no utterance is left.
    """
    listing = out_dir / "faults.tsv"
    if findings.faults:  # before conversions, which take long
        findings.refuse(listing=listing)
    wavs = convert_audio((matched[utt][1] for utt in utts), out_dir / "audio", findings)
    findings.refuse(listing=listing)
    named = ((utt, *matched[utt]) for utt in utts)
    kept = {utt: (name, wav) for utt, name, path in named if (wav := wavs.get(path, path))}
    if not kept:
        reasons = Counter(findings.left_out.values()).most_common(3)
        counted = ", ".join(f"{reason} ({count})" for reason, count in reasons)
        raise DataError(f"no row can be imported: {counted}")
    return kept


def _find_genders(
    matched: Mapping[str, tuple[str, Path]],
    table: ImportedTable,
    speakers: Mapping[str, str],
    path: Path,
    findings: Findings,
) -> dict[str, str]:
    """Returns f, m or u by speaker, if the table has genders; two genders of one speaker are a fault."""
    genders: dict[str, str] = {}
    for utt, speaker in sorted(speakers.items()):
        name = matched[utt][0]
        word = table.about[name].get("gender", "")
        code = gender_code(word) or "u"
        if word and genders.get(speaker, "u") == "u":
            genders[speaker] = code
        elif word and code not in ("u", genders[speaker]):
            where = f"{path}:{table.lines[name]}"
            findings.error("the speaker has two genders", where, f"{speaker}: {genders[speaker]}, {code}")
    return genders


def _find_speakers(
    matched: dict[str, tuple[str, Path]], table: ImportedTable, pattern: str, path: Path, findings: Findings
) -> dict[str, str]:
    """Returns the speaker of every utterance, from the table or from the name; a table without speakers is a fault.

    Raises:
        ConfigError: the pattern is no regular expression with a group.
    """
    try:
        compiled = re.compile(pattern) if pattern else None
    except re.error as error:
        raise ConfigError(f"--speaker_pattern {pattern!r}: is not a regular expression: {error}") from error
    if compiled is not None and compiled.groups < 1:
        raise ConfigError(f"--speaker_pattern {pattern!r}: needs a group in parentheses that is the speaker")
    if compiled is None and "speaker" not in table.columns:
        if findings.has_error("--columns speaker="):
            return {}
        unused = f" (columns left: {', '.join(table.unused)})" if table.unused else ""
        reason = (
            f"no column names the speaker; folds need it: give --columns speaker=NAME{unused}, or --speaker_pattern "
            "with a group for the speaker in the file name, such as '^([^_]+)_'"
        )
        findings.error(reason, f"{path}:1")
        return {}
    speakers = {}
    for utt, (name, _) in matched.items():
        hit = compiled.search(utt) if compiled else None
        speaker = (hit[1] if hit else "") if compiled else table.about[name].get("speaker", "")
        if speaker:
            speakers[utt] = "_".join(speaker.split())
        else:
            findings.leave_out(utt, "has no speaker", f"{path}:{table.lines[name]}")
    return speakers
