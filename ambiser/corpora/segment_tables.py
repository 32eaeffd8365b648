"""Reads the tables of a data directory that make utterances parts of recordings: segments and channels."""

import math
from collections.abc import Mapping
from pathlib import Path

from ambiser.corpora.corpus import Cut
from ambiser.corpora.findings import Findings
from ambiser.corpora.own_tables import read_pairs

SEGMENTS = "segments"
CHANNELS = ("reco2channel", "reco2file_and_channel")
_CHANNEL = {"a": 0, "b": 1, "l": 0, "r": 1, "left": 0, "right": 1} | {str(n): n - 1 for n in range(1, 100)}


def read_segments(folder: Path, findings: Findings) -> dict[str, tuple[str, float, float | None]] | None:
    """Reads segments: lines of 'UTT RECORDING START END' with times in seconds; END -1 is the end of the recording.

    Returns:
        Recording, start and end (None: the end of the recording) by utterance; None if there is no such table.
    """
    path = folder / SEGMENTS
    if not path.is_file():
        return None
    found: dict[str, tuple[str, float, float | None]] = {}
    for utt, value in read_pairs(path, findings).items():
        fields = value.split()
        try:
            recording, start_s, end_s = fields[0], *map(float, fields[1:])
        except ValueError:
            findings.error(
                "a line must be 'UTT RECORDING START END' with times in seconds", path, f"{utt} {value}"[:60]
            )
            continue
        if not 0 <= start_s < math.inf or not (end_s == -1 or start_s < end_s < math.inf):
            findings.error("a segment must end after its start, and start at 0 or later", path, f"{utt} {value}"[:60])
            continue
        found[utt] = (recording, start_s, None if end_s == -1 else end_s)
    return found


def read_channels(folder: Path, findings: Findings) -> dict[str, int]:
    """Reads the channel, from 0, of recordings: reco2channel, or the last field of reco2file_and_channel."""
    paths = [folder / name for name in CHANNELS if (folder / name).is_file()]
    if len(paths) > 1:
        findings.error(f"there is {paths[0].name} too; keep one of them", paths[1])
    channels: dict[str, int] = {}
    for recording, value in read_pairs(paths[0], findings).items() if paths else ():
        channel = _CHANNEL.get(value.split()[-1].casefold())
        if channel is None:
            findings.error("the channel must be 1, 2, ... or A, B", paths[0], f"{recording} {value}")
        else:
            channels[recording] = channel
    return channels


def make_cuts(
    wavs: Mapping[str, str],
    segments: Mapping[str, tuple[str, float, float | None]] | None,
    channels: Mapping[str, int],
    folder: Path,
    findings: Findings,
) -> tuple[dict[str, str], dict[str, Cut], dict[str, str]]:
    """Joins wav.scp, segments and channels.

    Args:
        wavs: the entry of wav.scp by recording, which is an utterance if there are no segments.
        segments, channels: from `read_segments` and `read_channels`.
        folder: of the tables, for faults.
        findings: gets the faults.

    Returns:
        By utterance the entry of wav.scp, the cut if it has one, and the recording if there are segments.
    """
    if channels and not channels.keys() & wavs.keys():
        findings.error(f"the channels match 0 of {len(wavs)} recordings in wav.scp", folder, min(channels))
    if segments is None:
        return dict(wavs), {key: Cut(channel=n) for key, n in channels.items() if key in wavs}, {}
    entries: dict[str, str] = {}
    cuts: dict[str, Cut] = {}
    for utt, (recording, start_s, end_s) in segments.items():
        if recording in wavs:
            entries[utt] = wavs[recording]
            cuts[utt] = Cut(start_s, end_s, channels.get(recording))
        else:
            findings.leave_out(utt, "its recording is not in wav.scp", folder / SEGMENTS, recording)
    return entries, cuts, {utt: segments[utt][0] for utt in entries}
