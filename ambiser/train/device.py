"""Chooses the device of a training and sets up torch."""

import os

import torch

from ambiser.errors import DataError


def pick_device(name: str) -> torch.device:
    """Returns the device for `train.device`; "auto" takes a GPU when there is one.

    Raises:
        DataError: a GPU is requested and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise DataError("train.device is 'cuda' and torch finds no GPU; use --set train.device=auto")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def prepare_torch(name: str, threads: int) -> torch.device:
    """Fixes the number of CPU threads, requests deterministic kernels, and returns the device for `train.device`."""
    torch.set_num_threads(threads)
    device = pick_device(name)
    if device.type == "cuda":  # all kernels used here are deterministic on a CPU, and the request imports for a second
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it at its first product of matrices
        torch.use_deterministic_algorithms(True, warn_only=True)
    return device
