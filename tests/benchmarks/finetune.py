"""Time and peak memory of a step that trains a speech encoder, with and without what saves memory; run by hand.

    python tests/benchmarks/finetune.py                       # a base-size model on a GPU, a small one on a CPU
    python tests/benchmarks/finetune.py --ssl wavlm_base_plus # with its real weights

Each setting runs in a process of its own, several steps; the least time and the peak of the process count.
"""

import argparse
import json
import resource
import subprocess
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
REPEATS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ssl", default="", help="an s3prl upstream instead of a random model")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of an utterance")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args)))
        return
    with tempfile.TemporaryDirectory() as folder:
        if not args.ssl:
            make_model(Path(folder))
        results = {}
        for name in SETTINGS:
            command = [sys.executable, __file__, "--one", name, "--folder", folder, "--ssl", args.ssl]
            command += ["--batch", str(args.batch), "--seconds", str(args.seconds)]
            results[name] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    plain = results["plain"]
    print(f"{plain['parameters'] / 1e6:.1f} million parameters on {plain['device']}, {args.batch} x {args.seconds:g} s")
    print(f"{'':<16}{'s a step':>10}{'share':>8}{'MiB above the model':>22}{'share':>8}")
    for name, got in results.items():
        shares = got["time_s"] / plain["time_s"], got["memory"] / plain["memory"]
        print(f"{name:<16}{got['time_s']:>10.2f}{shares[0]:>8.2f}{got['memory'] / 2**20:>22.0f}{shares[1]:>8.2f}")


def make_model(folder: Path) -> None:
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    small = {"hidden_size": 256, "num_hidden_layers": 6, "num_attention_heads": 4, "intermediate_size": 1024}
    torch.manual_seed(0)
    Wav2Vec2Model(Wav2Vec2Config(**({} if torch.cuda.is_available() else small))).save_pretrained(folder)
    processor = {"feature_extractor_type": "Wav2Vec2FeatureExtractor", "do_normalize": True, "sampling_rate": 16000}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))


def measure(args: argparse.Namespace) -> dict:
    import torch

    from ambiser.config.schema import Finetune, SpeechFeatures
    from ambiser.features.finetune import SpeechFront

    torch.set_num_threads(1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    speech = {"upstream": args.ssl} if args.ssl else {"upstream": "hf_wav2vec2_custom", "checkpoint": args.folder}
    front = SpeechFront(SpeechFeatures(**speech), Finetune(**SETTINGS[args.one]), device)
    wavs = [torch.randn(int(args.seconds * 16000)) * 0.1 for _ in range(args.batch)]
    for parameter in front.parameters():  # gradients stand in every step but the first
        parameter.grad = torch.zeros_like(parameter) if parameter.requires_grad else None
    before, times = peak(device), []
    for _ in range(REPEATS):
        start = time.perf_counter()
        front(wavs)[0].square().mean().backward()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    parameters = sum(p.numel() for p in front.parameters())
    return {"time_s": min(times), "memory": peak(device) - before, "device": device, "parameters": parameters}


def peak(device: str) -> int:
    import torch

    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
