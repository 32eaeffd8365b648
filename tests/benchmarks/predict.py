"""Times `ambiser predict`: utterances per second, memory over many files, a cold start, and a long recording.

    python tests/benchmarks/predict.py [--files 1000] [--minutes 60] [--model FOLDER] [--upstream FOLDER]

Without --model it packs random heads on filter banks.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--upstream", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        model = args.model or make_model(work)
        options = ["--upstream", args.upstream] if args.upstream else []
        rng = np.random.default_rng(0)
        (work / "wavs").mkdir()
        for number in range(args.files):
            wav = 0.1 * rng.standard_normal(int(rng.uniform(1, 4) * 16000))
            soundfile.write(work / "wavs" / f"{number:06}.wav", wav, 16000)
        long = work / "long.wav"
        with soundfile.SoundFile(long, "w", 16000, 1) as stream:
            for _ in range(round(args.minutes)):
                stream.write(0.1 * rng.standard_normal(60 * 16000))
        first = next((work / "wavs").iterdir())
        start, _ = timed("one file, cold start", model, first, *options)
        whole, _ = timed(f"{args.files} files", model, work / "wavs", *options)
        print(f"  {args.files / max(whole - start, 1e-9):.0f} utterances per second after the start")
        timed(f"{args.minutes:g} minutes in windows of 5 s", model, long, "--window", "5", *options)


def timed(name: str, *words: object) -> tuple[float, float]:
    """Runs a prediction; prints and returns its seconds and its peak memory in MiB."""
    command = [sys.executable, "-m", "ambiser", "predict", *map(str, words)]
    began, cpu = time.perf_counter(), used()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=ROOT)
    peak = 0
    while child.poll() is None:
        peak = max(peak, resident_kib(child.pid))
        time.sleep(0.05)
    seconds = time.perf_counter() - began
    print(
        f"{name}: {seconds:.1f} s ({used() - cpu:.1f} s of CPU), peak {peak / 1024:.0f} MiB, status {child.returncode}"
    )
    return seconds, peak / 1024


def used() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def resident_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS")), 0)


def make_model(work: Path) -> Path:
    from inference.conftest import make_config, make_experiment

    from ambiser.inference.packing import PackOptions, pack

    exp = make_experiment(work, make_config(model={}), folds=(1, 2, 3, 4, 5))
    pack([exp], work / "model", PackOptions(name="fbank"))
    return work / "model"


if __name__ == "__main__":
    main()
