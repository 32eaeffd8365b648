"""Times an epoch of the same classifier on the same pooled features by Ambiser, SpeechBrain and nkululeko.

    python tests/benchmarks/peers.py [EPOCHS]

5,531 training and 1,085 dev utterances of 768 made-up features, four classes: linear (256) - ReLU - linear,
cross-entropy on hard labels, AdamW, batches of 64, one thread. All score dev after each epoch and keep their model as
they usually do; nkululeko scores the training part too. Each runs in its own process, with 2 and with 2 + EPOCHS
epochs: the difference is the processor time of EPOCHS epochs; the rest is start, reading of the features and scores at
the end.
Medians of three rounds, in turns. A peer that is not installed is skipped. Their packages do not all suit those of
Ambiser, so install them in an environment of their own that reads Ambiser's too:

    python -m venv peers && echo SITE_PACKAGES_OF_AMBISER > peers/lib/python3.11/site-packages/base.pth
    peers/bin/pip install speechbrain nkululeko

Measured in November 2026 on a busy machine, 40 epochs: SpeechBrain 1.1.2 takes 1.57 times as long per epoch, nkululeko
1.14.1 5.03 times. The rest takes 0.97 times as long with SpeechBrain, 2.30 times with nkululeko, which reads CSV.
"""

import importlib.util
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

CLASSES, DIM, HIDDEN, BATCH, RATE, TRAIN, DEV = 4, 768, 256, 64, 1e-3, 5531, 1085
FEW, ROUNDS = 2, 3
FEATURES = "features.npz"
SPAN = "0 days 00:00:00,0 days 00:00:01"


def make_features(folder: Path) -> None:
    """Writes the features as arrays, and as the tables that nkululeko imports."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, TRAIN + DEV)
    features = rng.normal(size=(TRAIN + DEV, DIM)).astype(np.float32)
    features[np.arange(TRAIN + DEV), labels] += 2
    np.savez(folder / FEATURES, features=features, labels=labels)
    names = [f"/made/u{i:04}.wav" for i in range(TRAIN + DEV)]
    rows = [f"{name},{SPAN},{','.join(f'{x:.6f}' for x in row)}\n" for name, row in zip(names, features, strict=True)]
    (folder / "features.csv").write_text(f"file,start,end,{','.join(f'f{i}' for i in range(DIM))}\n{''.join(rows)}")
    for part, where in (("train", slice(TRAIN)), ("dev", slice(TRAIN, None))):
        pairs = zip(names[where], labels[where], strict=True)
        table = "".join(f"{name},{SPAN},{'abcd'[label]},{name[6:10]},female\n" for name, label in pairs)
        (folder / f"{part}.csv").write_text(f"file,start,end,emotion,speaker,gender\n{table}")


def train_ambiser(folder: Path, epochs: int) -> None:
    """Trains with the loop of the recipes: dev scores, curves and a checkpoint after every epoch."""
    import torch
    from torch.nn.functional import one_hot

    from ambiser.config import Config
    from ambiser.train.build import TASKS
    from ambiser.train.loop import fit
    from ambiser.train.part import FoldData, Part, Shapes

    content = np.load(folder / FEATURES)
    features, labels = (torch.from_numpy(content[name]) for name in ("features", "labels"))

    def part(where: slice) -> Part:
        hard = labels[where]
        soft = one_hot(hard, CLASSES).float()
        utts = [f"u{i:04}" for i in range(len(hard))]
        speech = features[where, None]  # (N, 1, D)
        return Part(utts, speech, None, soft, 3 * soft, hard, torch.zeros(len(hard), dtype=torch.long))

    amber = {"student": "A", "target": "majority", "divergence": "soft_ce", "guidance": 0, "teacher": 0}
    optimization = {"epochs": epochs, "batch": BATCH, "learning_rate": RATE}
    model = {"hidden": HIDDEN, "dropout": 0}
    config = Config.model_validate({"stages": ["distill"], "amber": amber, "distill": optimization, "model": model})
    data = FoldData(1, part(slice(TRAIN)), part(slice(TRAIN, None)), Shapes(1, DIM, 0, tuple("abcd")))
    task = TASKS["distill"].make(config, data, None)
    fit(task, config.distill, folder / f"ambiser{epochs}", stage="distill", seed=1, facts={}, tensorboard=True)


def train_speechbrain(folder: Path, epochs: int) -> None:
    """Trains with the Brain class on a tensor data set, its fastest input; the checkpointer saves every epoch."""
    import torch

    from ambiser.features.upstreams.compat import patch_torchaudio

    patch_torchaudio()
    import speechbrain
    from speechbrain.utils.checkpoints import Checkpointer
    from speechbrain.utils.epoch_loop import EpochCounter

    class Classifier(speechbrain.Brain):
        def compute_forward(self, batch, stage):
            return self.modules.head(batch[0])

        def compute_objectives(self, predictions, batch, stage):
            if stage != speechbrain.Stage.TRAIN:
                self.right += int((predictions.argmax(dim=1) == batch[1]).sum())
            return torch.nn.functional.cross_entropy(predictions, batch[1])

        def on_stage_start(self, stage, epoch=None):
            self.right = 0

        def on_stage_end(self, stage, stage_loss, epoch=None):
            if stage == speechbrain.Stage.VALID:
                self.checkpointer.save_and_keep_only({"accuracy": self.right / DEV}, max_keys=["accuracy"])

    content = np.load(folder / FEATURES)
    arrays = [torch.from_numpy(content[name]) for name in ("features", "labels")]
    train, dev = (
        torch.utils.data.TensorDataset(*(one[where] for one in arrays)) for where in (slice(TRAIN), slice(TRAIN, None))
    )
    head = torch.nn.Sequential(torch.nn.Linear(DIM, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, CLASSES))
    checkpointer = Checkpointer(folder / f"speechbrain{epochs}", {"head": head})
    brain = Classifier({"head": head}, lambda weights: torch.optim.AdamW(weights, lr=RATE), checkpointer=checkpointer)
    options = {"batch_size": BATCH}
    brain.fit(
        EpochCounter(epochs),
        train,
        dev,
        progressbar=False,
        train_loader_kwargs={**options, "shuffle": True},
        valid_loader_kwargs=options,
    )


def train_nkululeko(folder: Path, epochs: int) -> None:
    """Trains by its own program, with an ini file; only the best model is kept."""
    from ambiser.features.upstreams.compat import patch_torchaudio

    patch_torchaudio()
    ini = folder / f"nkululeko{epochs}.ini"
    ini.write_text(
        f"[EXP]\nroot = {folder}/\nname = nkululeko{epochs}\nruns = 1\nepochs = {epochs}\nsave = False\n"
        f"[DATA]\ndatabases = ['train', 'dev']\ntrain = {folder}/train.csv\ntrain.type = csv\n"
        f"train.absolute_path = True\ntrain.split_strategy = train\ndev = {folder}/dev.csv\ndev.type = csv\n"
        "dev.absolute_path = True\ndev.split_strategy = test\ntarget = emotion\nlabels = ['a', 'b', 'c', 'd']\n"
        f"[FEATS]\ntype = ['import']\nimport_file = ['{folder}/features.csv']\n"
        f"[MODEL]\ntype = mlp\nlayers = {{'l1': {HIDDEN}}}\nbatch_size = {BATCH}\nlearning_rate = {RATE}\n"
        "device = cpu\nsave = False\n[PLOT]\n"
    )
    from nkululeko.nkululeko import doit

    doit(str(ini))


WAYS = {"ambiser": train_ambiser, "speechbrain": train_speechbrain, "nkululeko": train_nkululeko}


def processor_s(way: str, epochs: int, folder: Path) -> float:
    """Runs a way in a process of its own and returns its processor seconds."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, __file__, way, str(epochs), str(folder)]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{way} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Prints milliseconds per epoch and seconds of the rest, each with its ratio to those of Ambiser."""
    if len(sys.argv) > 2:
        WAYS[sys.argv[1]](Path(sys.argv[3]), int(sys.argv[2]))
        return
    epochs = int(sys.argv[1]) if sys.argv[1:] else 30
    ways = [way for way in WAYS if importlib.util.find_spec(way)]
    times = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for way in ways:
            with tempfile.TemporaryDirectory() as folder:
                make_features(Path(folder))
                few, many = (processor_s(way, count, Path(folder)) for count in (FEW, FEW + epochs))
            times[way].append(((many - few) / epochs, few - FEW * (many - few) / epochs))
    own = [statistics.median(column) for column in zip(*times["ambiser"], strict=True)]
    for way, rounds in times.items():
        epoch_s, rest_s = (statistics.median(column) for column in zip(*rounds, strict=True))
        print(
            f"{way:12} {1000 * epoch_s:7.0f} ms per epoch ({epoch_s / own[0]:.2f} x), {rest_s:5.1f} s for the rest "
            f"({rest_s / own[1]:.2f} x)"
        )
    for way in WAYS.keys() - times.keys():
        print(f"{way:12} is not installed")


if __name__ == "__main__":
    main()
