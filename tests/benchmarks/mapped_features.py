"""Training on pooled features of 25 x 1024 in memory and from mapped files: memory, time and speed.

    python tests/benchmarks/mapped_features.py            # 17,000 utterances, a tenth of MSP-Podcast 2.0, both ways
    python tests/benchmarks/mapped_features.py --full     # 170,000 utterances, 17 GB, mapped

The ark is a sparse file: headers with 1,000 matrices of noise, and zeros in all others, so that it takes 0.8 GB of disk
at full size while all pages are read. Every way runs in a process of its own; its own memory is the peak of what is not
shared with files (RssAnon). Speed is in training utterances per second of CPU time (and of the clock), without the
statistics, which are computed once per fold.
"""

import argparse
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import one_hot

from ambiser.config import Config
from ambiser.features.extraction.mapped import MappedPooled
from ambiser.features.extraction.stored import load_pooled
from ambiser.io.ark import read_scp
from ambiser.io.tables import write_table
from ambiser.train.build import TASKS
from ambiser.train.loop import fit
from ambiser.train.moments import statistics_file
from ambiser.train.part import FoldData, Part, Shapes

LAYERS, DIM, CLASSES, NOISE = 25, 1024, 4, 1000


def write_sparse(folder: Path, count: int) -> None:
    """Writes feats.ark with `count` matrices and feats.scp."""
    header = b"\0BFM " + struct.pack("<bibi", 4, LAYERS, 4, DIM)
    generator, entries, size = np.random.default_rng(0), {}, 4 * LAYERS * DIM
    with open(folder / "feats.ark", "wb") as ark:
        for number in range(count):
            entries[f"u{number:06}"] = f"feats.ark:{ark.tell()}"
            ark.write(header)
            if number < NOISE:
                ark.write(generator.standard_normal((LAYERS, DIM), dtype=np.float32).data)
            else:
                ark.seek(size, 1)
        ark.truncate(ark.tell())
    write_table(folder / "feats.scp", entries)


def make_part(scp: Path, utts: list[str], mapped: bool) -> Part:
    """Makes a part with drawn labels, two in five ambiguous."""
    generator = torch.Generator().manual_seed(0)
    hard = torch.randint(0, CLASSES, (len(utts),), generator=generator)
    soft = 0.7 * one_hot(hard, CLASSES) + 0.3 / CLASSES
    speech = MappedPooled(scp, utts, last_layer=False) if mapped else torch.from_numpy(load_pooled(scp, utts))
    return Part(
        utts=utts,
        speech=speech,
        text=None,
        soft=soft,
        counts=3 * soft,
        hard=hard,
        kind=(torch.rand(len(utts), generator=generator) > 0.6).long(),
        statistics=statistics_file(scp, utts) if mapped else None,
    )


def own_bytes() -> int:
    """Returns the memory of this process that no file backs."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


def train(folder: Path, way: str) -> None:
    """Trains an epoch of phase 1 and prints one line."""
    torch.set_num_threads(1)
    peak, stop = [0], threading.Event()

    def watch() -> None:
        while not stop.wait(0.05):
            peak[0] = max(peak[0], own_bytes())

    threading.Thread(target=watch, daemon=True).start()
    scp = folder / "feats.scp"
    utts = list(read_scp(scp))
    start = time.perf_counter()
    part, dev = make_part(scp, utts, way == "mapped"), make_part(scp, utts[:1000], way == "mapped")
    loaded_s, start = time.perf_counter() - start, time.perf_counter()
    part.speech_statistics()
    statistics_s = time.perf_counter() - start
    config = Config.model_validate(
        {"stages": ["prototypes"], "prototypes": {"epochs": 1}, "model": {"standardize": False}}
    )
    task = TASKS["prototypes"].make(config, FoldData(1, part, dev, Shapes(LAYERS, DIM, 0, tuple("abcd"))), None)
    start, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as out:
        fit(task, config.prototypes, Path(out), stage="prototypes", seed=1, facts={}, tensorboard=False)
    took, cpu = time.perf_counter() - start, time.process_time() - cpu
    stop.set()
    count = int((part.kind == 0).sum())
    print(
        f"{len(utts):,} utterances, {way:6}: opened in {loaded_s:.1f} s, statistics {statistics_s:.1f} s, "
        f"{count / cpu:.0f} utterances per CPU second, {count / took:.0f} per second, "
        f"own memory {peak[0] / 2**30:.2f} GiB",
        flush=True,
    )


def main() -> None:
    """Makes the ark and runs each way in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--folder", type=Path, help="where the ark is written, and removed at the end")
    parser.add_argument("--way", choices=["memory", "mapped"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.way:
        train(args.folder, args.way)
        return
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        write_sparse(Path(folder), 170_000 if args.full else 17_000)
        for way in ("mapped",) if args.full else ("memory", "mapped", "memory", "mapped"):
            subprocess.run([sys.executable, __file__, "--folder", folder, "--way", way], check=True)


if __name__ == "__main__":
    main()
