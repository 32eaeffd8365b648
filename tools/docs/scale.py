"""Estimates what a large run needs: files, disk, memory, requests to Slurm, hours.

    python -m tools.docs.scale                      the table of tools/README.md
    python -m tools.docs.scale --speed 150          with another speed of the GPUs

Numbers of files and jobs follow from the experiments and from the program's own constants; a test compares them with
the files of a real run. Times follow from `RATES`, which the programs in tests/benchmarks measured on one core of a
virtual machine; the speed of a GPU is assumed.
"""

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

from ambiser.config import Config, load_config
from ambiser.features.extraction.shards import shard_count
from ambiser.io.console import format_duration
from ambiser.recipe.job_memory import INDEX_SHARE, MAPPED_BYTES, PROGRAM_BYTES
from ambiser.stages import TRAINING_STAGES

ROOT = Path(__file__).resolve().parents[2]
GPU_SPEED = 300.0
"""Assumed: seconds of audio that one GPU extracts with WavLM Large per second."""
RATES = {
    "stage 1, s per file": 77 / 268_000,  # stage1.py: parsing, tables, folds and statistics 59 s, audio headers 18 s
    "start of a job, s per vote": 5.7 / 1_340_000,  # votes, labels and feats.scp of 268,000 utterances
    "training, utterances per s": 1_050.0,  # mapped_features.py: 25 x 1024, phase 1, one thread
    "intervals, s per utterance and resample": 27.3 / (46_000 * 10_000),  # bootstrap.py
}
CORES_PER_GPU = 8
"""Assumed: one training runs on each."""
PER_SHARD = ("ark", "json", "scp")
PER_STAGE = ("best.safetensors", "metrics.jsonl", "events of TensorBoard", "log")
PER_FOLD = ("predictions.tsv", "predictions_dev.tsv", "heads.tsv or embeddings.safetensors")
PER_EXPERIMENT = ("config.yaml", "run.json", "results.json")
PREDICTION_BYTES = 110  # a line: the name and four probabilities
SCP_BYTES = 85  # a line of feats.scp
ARRAY_SIZE = 1_001  # default MaxArraySize of Slurm, the maximum number of jobs per sbatch
EXPERIMENTS = ("ce", "soft_ce", "jsd", "fusion_jsd", "amber2", "ipr", "ipr_plus", "ipr_amber2")


@dataclass(frozen=True)
class Corpus:
    """The sizes of a corpus; `train` and `test` are numbers of utterances."""

    name: str
    utterances: int
    hours: float
    votes: int
    train: int
    test: int


MSP_PODCAST = Corpus("MSP-Podcast 2.0", 268_000, 409, 1_450_000, 170_000, 46_000)


def tenfold(corpus: Corpus) -> Corpus:
    """Returns a corpus of ten times the size."""
    sizes = (corpus.utterances, corpus.hours, corpus.votes, corpus.train, corpus.test)
    return Corpus("ten times the size", *(10 * size for size in sizes))


def feature_files(utterances: int) -> int:
    """Returns the number of files with the parts of one kind of features, without the handful that join them."""
    return len(PER_SHARD) * shard_count(utterances)


def experiment_files(config: Config, folds: int) -> int:
    """Returns the largest number of files in the folder of an experiment after stage 7."""
    return len(PER_EXPERIMENT) + folds * (len(PER_STAGE) * len(config.stages) + len(PER_FOLD))


def training_s(config: Config, corpus: Corpus) -> float:
    """Returns the time of all trainings of one seed and fold on one core."""
    epochs = sum(getattr(config, stage).epochs for stage in config.stages if stage in TRAINING_STAGES)
    start = RATES["start of a job, s per vote"] * corpus.votes
    return epochs * corpus.train / RATES["training, utterances per s"] + start * len(config.stages)


def estimate(corpus: Corpus, gpus: int, *, seeds: int = 3, speed: float = GPU_SPEED) -> dict[str, str]:
    """Returns the cost of the experiments on a corpus with one fold, WavLM Large and words.

    Args:
        corpus: its sizes.
        gpus: their number; trainings use `CORES_PER_GPU` cores for each.
        seeds: number of seeds.
        speed: seconds of audio that one GPU extracts per second.

    Returns:
        Text by quantity.
    """
    configs = [load_config(ROOT / "egs/msp_podcast/conf" / f"{name}.yaml", ssl="wavlm_large") for name in EXPERIMENTS]
    features = corpus.utterances * 25 * 1024 * 4
    trainings = sum(len(config.stages) for config in configs) * seeds
    cores = min(gpus * CORES_PER_GPU, len(configs) * seeds)
    times = [training_s(config, corpus) for config in configs]
    score = RATES["intervals, s per utterance and resample"] * corpus.test * configs[0].score.resamples
    memory = PROGRAM_BYTES + MAPPED_BYTES + INDEX_SHARE * SCP_BYTES * corpus.utterances
    waves = 2 + len(TRAINING_STAGES) + 1  # extraction, its join, trainings, scores
    return {
        "files of speech features": f"{feature_files(corpus.utterances):,}",
        "files of all experiments": f"{sum(experiment_files(config, 1) for config in configs) * seeds:,}",
        "disk for speech features": f"{features / 1e9:.0f} GB",
        "disk for predictions": f"{len(configs) * seeds * corpus.test * 2 * PREDICTION_BYTES / 1e9:.1f} GB",
        "memory of a training": f"{memory / 2**30:.1f} GB and shared pages",
        "jobs": f"{trainings + gpus + 1 + len(configs) * seeds:,}",
        "calls of sbatch": f"{waves + trainings // ARRAY_SIZE}",
        "stage 1": format_duration(RATES["stage 1, s per file"] * corpus.utterances),
        "stage 2": format_duration(3600 * corpus.hours / (speed * gpus)),
        "stages 3 to 6": format_duration(max(sum(times) * seeds / cores, max(times))),
        "stage 7": format_duration(math.ceil(len(configs) * seeds / cores) * score),
    }


def scale_table(_root: Path, speed: float = GPU_SPEED) -> str:
    """Returns the table: MSP-Podcast 2.0 on 1, 8 and 64 GPUs, and ten times its size on 64."""
    runs = [(MSP_PODCAST, 1), (MSP_PODCAST, 8), (MSP_PODCAST, 64), (tenfold(MSP_PODCAST), 64)]
    columns = {f"{corpus.name}, GPUs: {gpus}": estimate(corpus, gpus, speed=speed) for corpus, gpus in runs}
    lines = ["| | " + " | ".join(columns) + " |", "|---|" + "---:|" * len(columns)]
    for quantity in next(iter(columns.values())):
        lines.append(f"| {quantity} | " + " | ".join(column[quantity] for column in columns.values()) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--speed", type=float, default=GPU_SPEED, help="seconds of audio per second of one GPU")
    print(scale_table(ROOT, parser.parse_args().speed))
