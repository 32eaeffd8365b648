"""Writes an imported table as a Kaldi data directory, with segments and channels where the table has them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ambiser.corpora.findings import Findings
from ambiser.corpora.importing.label_table import ImportedTable
from ambiser.io.tables import write_list, write_table, write_tsv
from ambiser.labels.vocabulary import OWN_LABELS
from ambiser.labels.vote_table import COLUMNS as VOTE_COLUMNS

_TABLES = (
    "wav.scp", "utt2spk", "votes.tsv", "spk2gender", "text", "utt2session", "utt2rec", "segments", "reco2channel",
    OWN_LABELS, "import.tsv",
)  # fmt: skip


def write_folder(
    out_dir: Path,
    table: ImportedTable,
    kept: Mapping[str, tuple[str, Path]],
    people: tuple[Mapping[str, str], Mapping[str, str]],
    *,
    new_labels: Sequence[str],
    findings: Findings,
) -> int:
    """Writes the tables and returns the number of votes; wav.scp comes last and completes the folder.

    Args:
        out_dir: the folder; tables of an earlier import are removed.
        table: the votes and what else the table says.
        kept: by utterance, its name in the table and its audio.
        people: the speaker by utterance, and the gender by speaker where the table has genders.
        new_labels: codes for own_labels.
        findings: which rows were skipped.
    """
    speaker_of, gender_of = people
    speakers = {utt: speaker_of[utt] for utt in kept}
    genders = {speaker: gender_of[speaker] for speaker in set(speakers.values()) & gender_of.keys()}
    for name in _TABLES:
        (out_dir / name).unlink(missing_ok=True)
    about = {utt: table.about[name] for utt, (name, _) in kept.items()}
    votes = [(utt, r, "outside", "primary", c) for utt, (name, _) in kept.items() for r, c in table.votes[name]]
    write_tsv(out_dir / "votes.tsv", list(VOTE_COLUMNS), votes)
    if new_labels:
        write_list(out_dir / OWN_LABELS, new_labels)
    texts, sessions = ({u: " ".join(k[m].split()) for u, k in about.items() if m in k} for m in ("text", "session"))
    recordings, optional = _recordings(table, kept)
    optional |= {"spk2gender": genders, "utt2session": sessions, "text": {u: texts.get(u, "") for u in kept if texts}}
    for name, values in optional.items():
        if values:
            write_table(out_dir / name, values)
    write_table(out_dir / "utt2spk", speakers)
    rows = [(utt, name, path, speakers[utt], len(table.votes[name])) for utt, (name, path) in kept.items()]
    rows += [("-", name, f"skipped: {reason}", "-", 0) for name, reason in sorted(findings.left_out.items())]
    write_tsv(out_dir / "import.tsv", ["utt", "row", "audio", "speaker", "votes"], rows)
    write_table(out_dir / "wav.scp", recordings)
    return len(votes)


def _recordings(
    table: ImportedTable, kept: Mapping[str, tuple[str, Path]]
) -> tuple[dict[str, Path], dict[str, dict[str, str]]]:
    """Returns wav.scp, and the tables of segments and channels.

    A recording with several used channels has one entry per channel; utt2rec then names the file.
    """
    wavs: dict[str, Path] = {}
    segments: dict[str, str] = {}
    channels: dict[str, str] = {}
    files: dict[str, str] = {}
    for utt, (name, path) in kept.items():
        span, channel = table.spans.get(name), table.about[name].get("channel", "")
        file = "_".join(path.stem.split())
        key = (f"{file}-{channel}" if channel else file) if span else utt
        wavs[key] = path
        if table.spans:
            segments[utt] = f"{key} {span[0]:g} {span[1]:g}" if span else f"{key} 0 -1"
        if channel:
            channels[key], files[utt] = channel, file
        elif table.spans:
            files[utt] = file
    return wavs, {"segments": segments, "reco2channel": channels, "utt2rec": files}
