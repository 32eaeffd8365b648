"""Writes short wavs of noise, each with its own content."""

import struct
from collections.abc import Iterable
from pathlib import Path

import numpy as np

RATE_HZ = 16000


def write_wavs(paths: Iterable[Path], *, channels: int = 1, rate_hz: int = RATE_HZ, samples: int = 1600) -> None:
    """Writes a 16-bit wav at each path, and makes the folders."""
    for path in paths:
        rng = np.random.default_rng(list("/".join(path.parts[-3:]).encode()))
        pcm = (rng.standard_normal(samples * channels) * 1000).astype("<i2").tobytes()
        block = 2 * channels
        fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate_hz, rate_hz * block, block, 16)
        head = struct.pack("<4sI4s", b"RIFF", 36 + len(pcm), b"WAVE") + fmt + struct.pack("<4sI", b"data", len(pcm))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(head + pcm)


def touch(paths: Iterable[Path]) -> None:
    """Makes empty files and their folders: enough for a parser, which leaves audio headers to stage 1."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
