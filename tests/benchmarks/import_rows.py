"""Times the import of a table of a million rows: python tests/benchmarks/import_rows.py [ROWS]."""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from ambiser.corpora.importing.import_corpus import import_table

ROWS, RATERS = 1_000_000, 5
WORDS = ("Neutral", "happy", "SAD", "Angry")


def make(folder: Path, rows: int) -> None:
    """Writes a table with one vote per row, and an audio file per utterance (links to one file)."""
    (folder / "audio").mkdir()
    soundfile.write(folder / "one.flac", np.zeros(160), 16000)
    for i in range(rows // RATERS):
        (folder / f"audio/clip{i}.flac").symlink_to(folder / "one.flac")
    with open(folder / "table.csv", "w") as stream:
        stream.write("file,rater,label,speaker,gender,transcript\n")
        for i in range(rows):
            utt = i // RATERS
            label = WORDS[i * 7 % 4]
            stream.write(
                f"clip{utt}.flac,r{i % RATERS},{label},s{utt % 50},{'Female' if utt % 2 else 'm'},words {utt}\n"
            )


def main() -> None:
    """Prints seconds by the clock and of the processor, and the memory."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make(folder, rows)
        start = time.perf_counter(), time.process_time()
        done = import_table(folder / "table.csv", folder / "audio", folder / "out", labels={}, columns={})
        seconds = time.perf_counter() - start[0], time.process_time() - start[1]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
        seconds = [round(value, 1) for value in seconds]
        print(json.dumps({"rows": rows, "votes": done.votes, "clock_and_processor_s": seconds, "peak_mb": round(peak)}))


if __name__ == "__main__":
    main()
