"""Trains toy folds whose encoders learn, by one process and by two: `several.py FOLDER SPEECH_FOLDER TEXT_FOLDER`.

IPR is trained on pooled layers, AmbER² on frames (a sum of the layers) and text, for two epochs each; FOLDER/1 and
FOLDER/2 get the results.
"""

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from train.toy import CLASSES, make_task, make_waves

from ambiser.config import Config
from ambiser.launch.ranks import Place
from ambiser.train.loop import fit
from ambiser.train.part import Shapes
from ambiser.train.processes import joined


def in_processes(count: int, work: Callable[[Place], None]) -> None:
    """Does the same work in copies of this process that belong together; exits unless all end well.

    Copies need not import anything again; they are safe on a CPU with one thread.
    """
    torch.set_num_threads(1)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    children = []
    for rank in range(count):
        children.append(os.fork())
        if not children[-1]:
            status = 1
            try:
                place = Place(rank, count, rank, "127.0.0.1", port)
                with joined(place, torch.device("cpu")):
                    work(place)
                status = 0
            except Exception as error:
                print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            finally:
                os._exit(status)
    ends = [os.waitpid(child, 0)[1] for child in children]
    if any(ends):
        sys.exit(1)


def main() -> None:
    folder, speech, text = map(Path, sys.argv[1:])
    torch.set_num_threads(1)
    (folder / "waves").mkdir()
    parts = make_waves(folder / "waves", 15), make_waves(folder / "waves", 8, seed=5)
    train(folder / "1", speech, text, parts)
    in_processes(2, lambda _: train(folder / "2", speech, text, parts))


def config_of(speech, text, **sections):
    optim = {"epochs": 2, "batch": 7, "select": "jsd"}  # 7: shares differ in size, and the last batch is smaller
    tree = {
        "stages": ["prototypes", "contrastive", "distill"],
        "model": {"hidden": 12, "projection": 5, "encoder": "finetune", "text_encoder": "finetune"},
        "speech_features": {"upstream": "hf_wav2vec2_custom", "checkpoint": str(speech)},
        "text_features": {"encoder": "huggingface", "model": str(text)},
        "finetune": {"learning_rate": 1e-3},
        "ipr": {"queue": 20, "key_momentum": 0.9, "noise": 0.01},
        **dict.fromkeys(("prototypes", "contrastive", "distill"), optim),
    }
    return Config.model_validate(tree | sections)


def train(out, speech, text, parts):
    shapes = Shapes(layers=0, dim=0, text_dim=16, classes=CLASSES)
    settings = {"seed": 1, "facts": {}, "tensorboard": False}
    config = config_of(speech, text)
    torch.manual_seed(0)
    first = make_task("prototypes", config, *parts, shapes)
    fit(first, config.prototypes, out / "prototypes", stage="prototypes", **settings)
    torch.manual_seed(1)
    second = make_task("contrastive", config, *parts, shapes, before=("prototypes", first.modules.state_dict()))
    fit(second, config.contrastive, out / "contrastive", stage="contrastive", **settings)
    frames = {"speech_features": {**config.speech_features.model_dump(), "form": "frames", "layer_weights": [1, 2, 3]}}
    config = config_of(speech, text, stages=["distill"], **frames)
    torch.manual_seed(2)
    task = make_task("distill", config, *parts, shapes)
    fit(task, config.distill, out / "frames", stage="distill", **settings)


if __name__ == "__main__":
    main()
