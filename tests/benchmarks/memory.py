"""Measures the memory of the parent process of feature extraction for more and more utterances (fbank, short clips).

    python tests/benchmarks/memory.py [UTTERANCES ...]

Every utterance is a link to one clip of 0.1 s. The figures are the peak of the parent, which plans, counts and joins,
and what each utterance adds to it beyond the smallest run.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from ambiser.config.schema import SpeechFeatures
from ambiser.features.extraction.speech import extract_speech

COUNTS = (1_000, 10_000, 30_000)


def extract(count: int) -> None:
    """Extracts in this process and prints its peak in bytes."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        clip = folder / "clip.wav"
        soundfile.write(clip, 0.1 * np.random.default_rng(0).standard_normal(1600), 16000)
        wavs = {}
        for number in range(count):
            wavs[f"utt{number:06d}"] = f"{temporary}/utt{number:06d}.wav"
            os.link(clip, wavs[f"utt{number:06d}"])
        durations_s = dict.fromkeys(wavs, 0.1)
        speech = SpeechFeatures(form="frames")  # pooled features of equal clips would be refused
        extract_speech(wavs, durations_s, speech, folder=folder / "dump", nj=os.cpu_count() or 1)
    print(1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def main() -> None:
    """Runs each size in a process of its own and prints a line for it."""
    peaks: dict[int, int] = {}
    for count in map(int, sys.argv[1:] or COUNTS):
        begin = time.monotonic()
        command = [sys.executable, __file__, "--extract", str(count)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks[count] = int(done.stdout)
        first = min(peaks)
        more = f", {(peaks[count] - peaks[first]) / (count - first):.0f} bytes an utterance" if count > first else ""
        print(f"{count} utterances: {peaks[count] / 1e6:.0f} MB{more} ({time.monotonic() - begin:.0f} s)", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--extract"]:
        extract(int(sys.argv[2]))
    else:
        main()
