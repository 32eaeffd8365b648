"""Decodes audio that soundfile cannot read, with ffmpeg where it is installed."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ambiser.io.audio import MOST_SAMPLES

TOO_LONG = "holds more audio than can be decoded at once; cut the recording"
NO_AUDIO = "the file has no audio stream"
_MOST_BYTES = 16 * MOST_SAMPLES  # 4 channels of 4 bytes; a file of a few MB can stand for terabytes


def find_ffmpeg() -> str | None:
    """Returns the path of ffmpeg; None if it is not installed."""
    return shutil.which("ffmpeg")


def decode(program: str, source: Path, target: Path, encoding: Sequence[str]) -> str:
    """Writes the first audio stream of a file as wav; rate and channels stay.

    Args:
        program: path of ffmpeg.
        source: any file that ffmpeg reads.
        target: the wav file; an existing one is overwritten.
        encoding: options of ffmpeg for the samples, as in ("-c:a", "pcm_s16le").

    Returns:
        The reason for a failure, ffmpeg's messages, `NO_AUDIO` or `TOO_LONG`, else "".
    """
    # "file:" keeps a name with a colon or a leading dash from being read as a protocol or an option; the list of
    # protocols keeps a playlist from loading addresses of a network.
    words = ["-nostdin", "-v", "error", "-y", "-protocol_whitelist", "file", "-i", f"file:{source}", "-map", "0:a:0"]
    words += [*encoding, "-fs", str(_MOST_BYTES), "-f", "wav", f"file:{target}"]
    done = subprocess.run([program, *words], capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0 or not target.is_file():
        if "matches no streams" in done.stderr:
            return NO_AUDIO
        return done.stderr.strip().replace(f"file:{source}: ", "") or f"status {done.returncode}"
    return TOO_LONG if target.stat().st_size > 0.99 * _MOST_BYTES else ""
