"""Times stage 1 on made-up corpora of full size; run by hand, never by pytest.

    python tests/benchmarks/stage1.py msp_podcast     268,000 files and 1.45 million annotations; 1/10, 1/3 and all
    python tests/benchmarks/stage1.py iemocap         the layout of IEMOCAP with 10,039 turns

Wavs are headers with a few samples. Every size runs in a process of its own, whose peak memory is printed. A step has
two numbers, seconds by the clock and seconds of the processor. Files go to a temporary folder (see TMPDIR), about
1.2 GB for the whole MSP-Podcast with blocks of 4 kB.
"""

import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from ambiser.config.data_keys import Data, LabelPolicy
from ambiser.corpora import data_folder as prepare
from ambiser.corpora.audio_headers import measure_audio
from ambiser.corpora.iemocap import read_release
from ambiser.corpora.mini.mini_files import write_dialog, write_wav
from ambiser.corpora.mini.mini_plan import plan_corpus
from ambiser.corpora.parsers import CORPORA
from ambiser.io.layout import Layout
from ambiser.report.data_statistics import collect_statistics
from ambiser.report.data_summary import summarize

FILES, ANNOTATIONS, WORKERS = 268_000, 1_450_000, 13_278
SIZES = (0.1, 1 / 3, 1.0)
PRIMARY = ("Angry", "Sad", "Happy", "Surprise", "Fear", "Disgust", "Contempt", "Neutral", "Other-meh")
SECONDARY = ("Amused", "Frustrated", "Depressed", "Concerned", "Excited", "Confused", "Annoyed", "Disappointed")
TURNS = 10_039


def make_msp_podcast(root: Path, share: float) -> None:
    """Writes a release of 2.0 with that share of the files."""
    rng = np.random.default_rng(1)
    n_files, n_rows = int(FILES * share), int(ANNOTATIONS * share)
    for folder in ("Audios", "Labels"):
        (root / folder).mkdir(parents=True)
    per_podcast = 60
    names = [f"MSP-PODCAST_{i // per_podcast:04d}_{i % per_podcast:04d}.wav" for i in range(n_files)]
    parts = np.repeat(rng.choice(["Train", "Development", "Test1", "Test2"], n_files // per_podcast + 1), per_podcast)
    for i, name in enumerate(names):
        write_wav(root / "Audios" / name, i.to_bytes(8, "little"))
    with open(root / "Labels/labels_consensus.csv", "w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["FileName", "EmoClass", "EmoAct", "EmoVal", "EmoDom", "SpkrID", "Gender", "Split_Set"])
        for i, name in enumerate(names):
            writer.writerow([name, "N", 4.2, 3.6, 4.0, i // per_podcast, ("Male", "Female")[i // 60 % 2], parts[i]])
    file = np.sort(np.concatenate([np.arange(n_files).repeat(5), rng.integers(0, n_files, n_rows - 5 * n_files)]))
    worker, first = rng.permutation(n_rows) % WORKERS, rng.integers(0, len(PRIMARY), n_rows)
    second, score = rng.integers(0, len(SECONDARY), n_rows), rng.integers(1, 8, (n_rows, 3))
    with open(root / "Labels/labels_detailed.csv", "w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        columns = ["FileName", "WorkerID", "EmoClass_Major", "EmoClass_Second", "EmoAct", "EmoVal", "EmoDom"]
        writer.writerow(columns)
        for f, w, a, b, s in zip(file.tolist(), worker.tolist(), first.tolist(), second.tolist(), score, strict=True):
            secondary = f"{PRIMARY[a]},{SECONDARY[b]}" if b % 2 else PRIMARY[a]
            writer.writerow([names[f], f"WORKER{w:08d}", PRIMARY[a], secondary, *s])
    with open(root / "Partitions.txt", "w") as stream:
        stream.writelines(f"{part}; {name}\n" for part, name in zip(parts, names, strict=False))


def run_msp_podcast(share: float) -> None:
    """Makes the corpus in a child's place, then prints the seconds of each step as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        root, base = Path(folder) / "MSP-PODCAST-Publish-2.0", Path(folder)
        subprocess.run([sys.executable, __file__, "make", str(root), str(share)], check=True)
        data = Data(corpus="msp_podcast", protocol="as_released")
        layout = Layout(base / "data", base / "dump", base / "exp")
        seconds = {}
        prepare.CORPORA = {"msp_podcast": timed(CORPORA["msp_podcast"], "parsing", seconds)}
        prepare.measure_audio = timed(measure_audio, "audio headers", seconds)
        start = clock()
        record = prepare.prepare_data(root, data, layout)
        seconds["tables, folds, leak guard"] = clock() - start - sum(seconds.values())
        start = clock()
        summarize(record, collect_statistics(record, LabelPolicy(), [0.0, 0.95], layout), layout)
        seconds["count tables"] = clock() - start
        start = clock()
        n = sum(entry.stat().st_size > 0 for entry in os.scandir(root / "Audios"))
        seconds["(listing and stat of the wavs)"] = clock() - start
        rows = (root / "Labels/labels_detailed.csv").read_bytes().count(b"\n") - 1
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
        work = sum(value for name, value in seconds.items() if name != "audio headers" and name[0] != "(")
        steps = {name: value.round(2).tolist() for name, value in {"without headers": work, **seconds}.items()}
        print(json.dumps({"files": n, "annotations": rows, "peak_mb": round(peak), **steps}))


def clock() -> np.ndarray:
    """Returns the seconds by the clock and those of the processor."""
    return np.array([time.perf_counter(), time.process_time()])


def timed(function, name: str, seconds: dict[str, np.ndarray]):
    """Returns the function, which then leaves the seconds of its call under the name."""

    def call(*args):
        start = clock()
        result = function(*args)
        seconds[name] = clock() - start
        return result

    return call


def run_iemocap() -> None:
    """Times the parser on the layout of IEMOCAP, the wavs being headers."""
    with tempfile.TemporaryDirectory() as folder:
        root, wavs = Path(folder), 0
        for dialog, planned in plan_corpus(TURNS).items():
            write_dialog(root, dialog, planned)
            for turn in planned:
                target = root / f"Session{dialog[4]}" / "sentences/wav" / dialog / f"{turn.turn}.wav"
                write_wav(target, wavs.to_bytes(4, "little"))
                wavs += 1
        start = clock()
        corpus = read_release(root)
        print(json.dumps({"turns": len(corpus.utterances), "parsing_s": (clock() - start).round(2).tolist()}))


def main() -> None:
    """Runs what is named on the command line."""
    what = sys.argv[1]
    if what == "make":
        make_msp_podcast(Path(sys.argv[2]), float(sys.argv[3]))
    elif what == "one":
        run_msp_podcast(float(sys.argv[2]))
    elif what == "iemocap":
        run_iemocap()
    else:
        for share in SIZES:
            subprocess.run([sys.executable, __file__, "one", str(share)], check=True)


if __name__ == "__main__":
    main()
