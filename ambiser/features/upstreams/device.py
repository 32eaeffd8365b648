"""Finds the GPU for features, and lists all code that differs with one.

| code | with a GPU |
|---|---|
| `find_device` | encoders run on it; its convolutions use float32, not TF32, in stage 2 and in predictions |
| `Upstream._find_batch` (`upstreams/forward.py`) | `batch_s: auto` makes batches of 120 s |
| `feature_matrices` (`extraction/shard_work.py`) | pooled features are reduced there, in float64 |
| `Forecast` and `_processes` (`extraction/forecast.py`, `extraction/text.py`) | one worker, not `nj` |
| `untouched_generators` (`upstreams/forward.py`) | its random generators are restored too |
| `pick_device`, `prepare_torch` (`train/device.py`) | training and stage 7 run there, with deterministic kernels |
| `Part` (`train/part.py`) | labels and pooled features are on it (`load_part` puts them there), frames move per batch |
| `draw_view` (`train/views.py`), `Change` (`train/waveforms.py`) | random numbers still come from the CPU |
| `joined` (`train/processes.py`) | processes exchange gradients by NCCL instead of Gloo, one GPU each |
| `SharedStages` (`train/shared_stages.py`) | a stage trained on a GPU is not shared with one of a CPU |
| `device_slots` (`launch/resources.py`) | `--launcher local` divides jobs among GPUs |

Packed models run their heads on the CPU. `tests/gpu` runs all of it on a pretended GPU and, where there is one, on a
real GPU.
"""


def find_device() -> str:
    """Returns "cuda" where torch finds a GPU, else "cpu"; with "cuda" convolutions no longer use TF32."""
    import torch  # importing an encoder's module must be quick

    if not torch.cuda.is_available():
        return "cpu"
    torch.backends.cudnn.allow_tf32 = False  # TF32 rounds to 10 bits
    return "cuda"
