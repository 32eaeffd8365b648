"""Converts audio that soundfile cannot read (m4a, video) to wav with ffmpeg, where it is installed."""

import os
from collections.abc import Iterable
from pathlib import Path

from ambiser.corpora.findings import Findings
from ambiser.io.console import progress
from ambiser.io.ffmpeg import decode, find_ffmpeg
from ambiser.io.threads import in_threads

CONVERTED = (
    ".m4a", ".aac", ".wma", ".amr", ".mp4", ".m4v", ".webm", ".mkv", ".mov", ".avi", ".mpg", ".mpeg", ".3gp", ".flv",
)  # fmt: skip


def convert_audio(paths: Iterable[Path], folder: Path, findings: Findings) -> dict[Path, Path | None]:
    """Writes the first audio stream of each file as 16-bit wav; rate and channels stay.

    A file that ffmpeg cannot read is a fault in the findings, and so is a missing ffmpeg.

    Returns:
        The wav of every path that had to be converted, or None after a fault; paths that soundfile reads are not in it.
    """
    wanted = sorted({path for path in paths if path.name.lower().endswith(CONVERTED)})
    ffmpeg = find_ffmpeg()
    if wanted and not ffmpeg:
        for path in wanted:
            findings.error("needs ffmpeg, which is not installed; install it, or convert the files to wav", path)
        return {}
    jobs = [(ffmpeg, path, folder / f"{path.stem}.wav") for path in wanted]
    results = progress(in_threads(_convert, jobs, batch=1), "converting with ffmpeg", total=len(jobs))
    wavs: dict[Path, Path | None] = {path: wav for _, path, wav in jobs}
    for path, fault in zip(wanted, results, strict=True):
        if fault:
            findings.leave_out(path.stem, "cannot be converted by ffmpeg", path, fault)
            wavs[path] = None
    return wavs


def _convert(job: tuple[str, Path, Path]) -> str:
    """Converts a file; returns ffmpeg's last line if it fails."""
    ffmpeg, path, wav = job
    wav.parent.mkdir(parents=True, exist_ok=True)
    temporary = wav.with_name(f".{wav.name}.{os.getpid()}.tmp")
    reason = decode(ffmpeg, path, temporary, ("-c:a", "pcm_s16le"))
    if not reason:
        os.replace(temporary, wav)
        return ""
    temporary.unlink(missing_ok=True)
    return reason.splitlines()[-1]
