"""Speed and memory of feature extraction against s3prl's own loop, on a random model of base size; run by hand.

    python tests/benchmarks/extraction.py                    # CPU: one by one, bfloat16, share of the matrix peak
    python tests/benchmarks/extraction.py --kind hubert      # wav2vec2, hubert, wavlm or data2vec
    python tests/benchmarks/extraction.py --long             # peak memory of a recording of ten minutes

With a GPU, batches are compared with s3prl's loop too, with the peak memory of each size of batch. All ways take
turns, several times, and the least time of each counts (on a CPU that of each utterance, so that a busy machine slows
all ways alike). Shares are of the rate at which the machine multiplies large
matrices; what the model needs is counted from its convolutions, linear maps and attention.

A trial did not pay (November 2026, torch 2.13, AVX2, one thread): dynamic int8 quantization of the linear maps makes a
base-size encoder 1.18 times as fast (its convolutions, a third of the time, stay in float32), and the means of Whisper
tiny's layers err by up to 10 % (cosine 0.9956).
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from ambiser.config.schema import SpeechFeatures
from ambiser.features.upstreams.chunks import plan_batches
from ambiser.features.upstreams.pooling import pool_on_device, reduce_hidden_states
from ambiser.features.upstreams.upstream import load_upstream

REPEATS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", default="wav2vec2", choices=["wav2vec2", "hubert", "wavlm", "data2vec"])
    parser.add_argument("--norm", default="group", choices=["group", "layer"])
    parser.add_argument("--utterances", type=int, default=0, help="of 1 to 15 s; 0: 12 on a CPU, 400 on a GPU")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--long", action="store_true", help="ten minutes in one recording")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = make_checkpoint(args.kind, args.norm, Path(folder))
        speech = SpeechFeatures(upstream=f"{args.kind}_local", checkpoint=str(checkpoint), batch_s=0)
        if args.long:
            measure_long(speech, device)
        else:
            compare(speech, device, args.utterances or (400 if device == "cuda" else 12))


def make_checkpoint(kind: str, norm: str, folder: Path) -> Path:
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from features.random_models import BASE, save_s3prl

    load_upstream(SpeechFeatures())  # so that s3prl can be imported
    torch.manual_seed(0)
    return save_s3prl(kind, norm, folder / "model.pt", BASE)


def compare(speech: SpeechFeatures, device: str, count: int) -> None:
    generator = np.random.default_rng(0)
    wavs = [(0.1 * generator.standard_normal(n)).astype(np.float32) for n in generator.integers(16000, 240000, count)]
    seconds = sum(len(wav) for wav in wavs) / 16000
    theirs = load_upstream(speech, device).model
    ways: dict[str, Callable[[list[np.ndarray]], object]] = {
        "s3prl, one by one": lambda part: loop_of_s3prl(theirs, part, device)
    }
    for precision in ("float32", "bfloat16"):
        for batch_s in (0, 60, 240) if device == "cuda" else (0,):
            upstream = load_upstream(speech.model_copy(update={"precision": precision, "batch_s": batch_s}), device)
            name = f"ours, {precision}, " + (f"batches of {batch_s} s" if batch_s else "one by one")
            ways[name] = lambda part, upstream=upstream: extract(upstream, part, speech)
    peaks, least, memory = {}, dict.fromkeys(ways, 0.0), {}
    for precision in (torch.float32, torch.bfloat16):
        peaks[precision] = matrix_peak(device, precision)
    for part in [wavs] if device == "cuda" else [[wav] for wav in wavs]:
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(REPEATS):
            for name, way in ways.items():
                if device == "cuda":
                    torch.cuda.reset_peak_memory_stats()
                start = time.perf_counter()
                way(part)
                times[name].append(time.perf_counter() - start)
                memory[name] = torch.cuda.max_memory_allocated() / 2**30 if device == "cuda" else 0.0
        for name, taken in times.items():
            least[name] += min(taken)
    need = operations(theirs, wavs)
    print(f"{speech.upstream}, {count} utterances, {seconds:.0f} s, on {device}, {torch.get_num_threads()} threads")
    print(f"matrix peak: {', '.join(f'{rate / 1e9:.0f} G/s in {kind}' for kind, rate in peaks.items())}")
    print(f"{'':<36}{'x real time':>12}{'x s3prl':>9}{'of peak':>9}{'GiB':>7}")
    for name, taken in least.items():
        rate = peaks[torch.bfloat16 if "bfloat16" in name else torch.float32]
        shares = f"{least['s3prl, one by one'] / taken:>9.2f}{need / taken / rate:>9.2f}"
        print(f"{name:<36}{seconds / taken:>12.1f}{shares}{memory[name]:>7.1f}")


def loop_of_s3prl(model: torch.nn.Module, wavs: list[np.ndarray], device: str) -> list[torch.Tensor]:
    """One utterance after the other, pooled where it is computed."""
    with torch.inference_mode():
        return [
            torch.stack(
                [state.mean(dim=1)[0] for state in model([torch.from_numpy(wav).to(device)])["hidden_states"]]
            ).cpu()
            for wav in wavs
        ]


def extract(upstream: object, wavs: list[np.ndarray], speech: SpeechFeatures) -> None:
    """As a worker of stage 2 does it."""
    numbers = {str(number): len(wav) for number, wav in enumerate(wavs)}
    batches = list(plan_batches(numbers, upstream.batch_samples)) if upstream.batch_samples else [[n] for n in numbers]
    for batch in batches:
        batch_wavs = [wavs[int(number)] for number in batch]
        if upstream.device == "cuda":
            upstream.extract_batch(batch_wavs, lambda states: pool_on_device(states, speech))
        else:
            _ = [reduce_hidden_states(hidden, speech) for hidden in upstream.extract_batch(batch_wavs)]


def operations(model: torch.nn.Module, wavs: list[np.ndarray]) -> float:
    """Returns the multiplications and additions of the convolutions, linear maps and attention, counted by hooks."""
    total = 0.0

    def count(module: torch.nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        nonlocal total
        if isinstance(module, torch.nn.Conv1d):
            total += 2 * module.weight[0].numel() * output.numel()
        else:
            total += 2 * module.in_features * output.numel()

    kinds = (torch.nn.Conv1d, torch.nn.Linear)
    handles = [m.register_forward_hook(count) for m in model.modules() if isinstance(m, kinds)]
    with torch.inference_mode():
        hidden = [model([torch.from_numpy(wav).to(next(model.parameters()).device)])["hidden_states"] for wav in wavs]
    for handle in handles:
        handle.remove()
    layers = [name for name, module in model.named_modules() if type(module).__name__ == "MultiheadAttention"]
    # Attention calls its own projections as functions: 4 of D x D a frame, and 2 products of T x T x D.
    for states in hidden:
        frames, dim = states[0].shape[1:]
        total += len(layers) * (8 * frames * dim * dim + 4 * frames * frames * dim)
    return total


def matrix_peak(device: str, precision: torch.dtype) -> float:
    """Returns operations a second in the product of two large square matrices; the most of several."""
    size = 8192 if device == "cuda" else 2048
    one = torch.randn(size, size, device=device, dtype=precision)
    best = 0.0
    for _ in range(5):
        start = time.perf_counter()
        product = one @ one
        product[0, 0].item()
        best = max(best, 2 * size**3 / (time.perf_counter() - start))
    return best


def measure_long(speech: SpeechFeatures, device: str) -> None:
    upstream = load_upstream(speech, device)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wav = (0.1 * np.random.default_rng(0).standard_normal(600 * 16000)).astype(np.float32)
    start = time.perf_counter()
    hidden = upstream.extract(wav)
    reduce_hidden_states(hidden, speech)
    taken = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{speech.upstream}: 600 s in chunks of {speech.longest_s:g} s: {len(hidden[0])} frames in {taken:.0f} s, peak"
    )
    print(f"memory of the process {peak / 2**20:.2f} GiB ({before / 2**20:.2f} GiB with the model loaded)")


if __name__ == "__main__":
    main()
