"""Time and peak memory of a step that trains a speech encoder: what saves memory, and several processes; run by hand.

    python tests/benchmarks/finetune.py                       # a base-size model on a GPU, a small one on a CPU
    python tests/benchmarks/finetune.py --ssl wavlm_base_plus # with its real weights

Every setting runs in processes of its own, one thread each, several steps, and the settings take turns; the least time
of a step and the peak of one process above the model count. Several processes share the batch, and each needs a GPU.
"""

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

SETTINGS = {
    "plain": {},
    "checkpointing": {"checkpointing": True},
    "bfloat16": {"precision": "bfloat16"},
    "both": {"checkpointing": True, "precision": "bfloat16"},
}
STEPS, TURNS = 2, 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ssl", default="", help="an s3prl upstream instead of a random model")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of an utterance")
    parser.add_argument("--processes", type=int, default=2, help="how many share a batch in the last rows")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        measure(args)
        return
    with tempfile.TemporaryDirectory() as folder:
        args.folder = Path(folder)
        if not args.ssl:
            make_model(args.folder)
        rows = [(name, 1) for name in SETTINGS] + [("plain", args.processes)]
        found = {row: [] for row in rows}
        for _ in range(TURNS):
            for row in rows:
                found[row].append(run(args, *row))
    report(args, {row: best(results) for row, results in found.items()})


def run(args: argparse.Namespace, name: str, count: int) -> dict:
    """Measures a setting by so many processes."""
    from ambiser.launch.ranks import run_ranks

    (args.folder / "result.json").unlink(missing_ok=True)
    options = {"one": name, "folder": args.folder, "ssl": args.ssl, "batch": args.batch, "seconds": args.seconds}
    words = [f"--{option}={value}" for option, value in options.items()]
    if run_ranks([sys.executable, __file__, *words], count):
        sys.exit(f"{name} by {count} processes failed")
    return json.loads((args.folder / "result.json").read_text())


def best(results: list[dict]) -> dict:
    """Returns the least of every number."""
    return results[0] | {name: min(result[name] for result in results) for name in ("time_s", "memory")}


def report(args: argparse.Namespace, results: dict[tuple[str, int], dict]) -> None:
    plain = results["plain", 1]
    size = f"{plain['parameters'] / 1e6:.1f} million parameters on {plain['device']}"
    print(f"{size}, a batch of {args.batch} x {args.seconds:g} s")
    print(f"{'':<16}{'processes':>10}{'s a step':>10}{'share':>8}{'MiB above the model':>22}{'share':>8}")
    for (name, count), got in results.items():
        time_share, memory_share = got["time_s"] / plain["time_s"], got["memory"] / plain["memory"]
        times = f"{got['time_s']:>10.2f}{time_share:>8.2f}"
        print(f"{name:<16}{count:>10}{times}{got['memory'] / 2**20:>22.0f}{memory_share:>8.2f}")


def make_model(folder: Path) -> None:
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    small = {"hidden_size": 256, "num_hidden_layers": 6, "num_attention_heads": 4, "intermediate_size": 1024}
    torch.manual_seed(0)
    Wav2Vec2Model(Wav2Vec2Config(**({} if torch.cuda.is_available() else small))).save_pretrained(folder)
    processor = {"feature_extractor_type": "Wav2Vec2FeatureExtractor", "do_normalize": True, "sampling_rate": 16000}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))


def measure(args: argparse.Namespace) -> None:
    """Does some steps, and writes down what they took; one of several processes, or all."""
    import torch

    from ambiser.config.schema import Finetune, SpeechFeatures
    from ambiser.features.upstreams.finetune import SpeechFront
    from ambiser.launch.ranks import find_place
    from ambiser.train.processes import Divided, is_first, joined, sum_gradients

    torch.set_num_threads(1)
    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with joined(find_place(os.environ), device):
        speech = (
            {"upstream": args.ssl} if args.ssl else {"upstream": "hf_wav2vec2_custom", "checkpoint": str(args.folder)}
        )
        front = Divided(SpeechFront(SpeechFeatures(**speech), Finetune(**SETTINGS[args.one]), device.type))
        wavs = [torch.randn(int(args.seconds * 16000)) * 0.1 for _ in range(args.batch)]
        for parameter in front.parameters():  # gradients stand in every step but the first
            parameter.grad = torch.zeros_like(parameter) if parameter.requires_grad else None
        before, times = peak(device.type), []
        for _ in range(STEPS):
            start = time.perf_counter()
            front(wavs)[0].square().mean().backward()
            sum_gradients(front)
            if device.type == "cuda":
                torch.cuda.synchronize()
            times.append(time.perf_counter() - start)
        parameters = sum(p.numel() for p in front.parameters())
        result = {"time_s": min(times), "memory": peak(device.type) - before, "parameters": parameters}
        if is_first():
            (args.folder / "result.json").write_text(json.dumps(result | {"device": device.type}))


def peak(device: str) -> int:
    import torch

    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
