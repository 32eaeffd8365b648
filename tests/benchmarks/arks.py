"""Times reading and writing of features: against kaldiio's load_scp, and against plain numpy.

    python tests/benchmarks/arks.py

Random reads copy one utterance after the other, as batches do, from arks that were opened before; everything comes
from the page cache, as in training. Loading all is from the opening of feats.scp to one array. Each figure is the best
of several repeats, and the two sides of a ratio take turns, so that a busy machine slows both.
"""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import kaldiio
import numpy as np

from ambiser.features.extraction.stored import load_frames, load_pooled
from ambiser.io.ark import open_ark
from ambiser.io.tables import write_table

REPEATS = 7
SHAPES = {"base model, 13 x 768": (13, 768), "large model, 25 x 1024": (25, 1024), "fbank, 1 x 480": (1, 480)}
BYTES = 100_000_000


def best(*calls: Callable[[], object]) -> list[float]:
    """Returns the shortest time of each call; they take turns."""
    times = [[] for _ in calls]
    for _ in range(REPEATS):
        for call, taken in zip(calls, times, strict=True):
            begin = time.perf_counter()
            call()
            taken.append(time.perf_counter() - begin)
    return [min(taken) for taken in times]


def write(path: Path, matrices: dict[str, np.ndarray], half: bool = False) -> None:
    with open_ark(path, half=half) as ark:
        for utt, matrix in matrices.items():
            ark.add(utt, matrix)
    write_table(path.parent / "feats.scp", ark.entries)
    paths = "".join(f"{utt} {path.parent}/{entry}\n" for utt, entry in ark.entries.items())
    (path.parent / "kaldi.scp").write_text(paths)


def write_plainly(path: Path, matrices: dict[str, np.ndarray]) -> None:
    with open(path, "wb") as stream:
        for matrix in matrices.values():
            matrix.tofile(stream)
        stream.flush()
        os.fsync(stream.fileno())


def read_by_kaldiio(folder: Path, order: list[str]) -> np.ndarray:
    loader = kaldiio.load_scp(str(folder / "kaldi.scp"))
    return np.stack([loader[utt] for utt in order])


def compare(folder: Path, matrices: dict[str, np.ndarray], order: list[str]) -> str:
    """Returns a line of ratios for features of one shape."""
    count, ark, scp = len(matrices), folder / "feats.ark", folder / "feats.scp"
    ours, plain = best(lambda: write(ark, matrices), lambda: write_plainly(folder / "plain", matrices))
    whole, theirs_whole = best(lambda: load_pooled(scp, order), lambda: read_by_kaldiio(folder, order))
    same = np.array_equal(load_pooled(scp, order), read_by_kaldiio(folder, order))
    loader, frames = kaldiio.load_scp(str(folder / "kaldi.scp")), load_frames(scp, order)
    batch = np.empty_like(matrices[order[0]])
    reads, theirs = best(
        lambda: [np.copyto(batch, frames[row]) for row in range(count)],
        lambda: [np.copyto(batch, loader[utt]) for utt in order],
    )
    write(ark, matrices, half=True)
    halves = load_frames(scp, order)
    (half,) = best(lambda: [np.copyto(batch, halves[row]) for row in range(count)])
    return (
        f"{count} utterances; random reads {theirs / reads:.1f} x kaldiio.load_scp ({1e6 * reads / count:.1f} against "
        f"{1e6 * theirs / count:.1f} us each; two-byte ones {1e6 * half / count:.1f} us); opening and loading all "
        f"{theirs_whole / whole:.1f} x, {'the same' if same else 'OTHER'} values; writing takes {ours / plain:.2f} x "
        "plain numpy"
    )


def main() -> None:
    """Prints a line for each shape."""
    generator = np.random.default_rng(0)
    for name, shape in SHAPES.items():
        count = min(BYTES // (4 * shape[0] * shape[1]), 20_000)
        values = generator.standard_normal((count, *shape), dtype=np.float32)
        matrices = {f"utt{number:06d}": values[number] for number in range(count)}
        order = [f"utt{number:06d}" for number in generator.permutation(count)]
        with tempfile.TemporaryDirectory() as folder:
            print(f"{name}: {compare(Path(folder), matrices, order)}")


if __name__ == "__main__":
    main()
