"""What stage 0 looks at: disks, configurations, weights, the corpus and Slurm; each look prints its line."""

import argparse
import os
from pathlib import Path

from ambiser.config.site import load_slurm_config
from ambiser.errors import ConfigError, UserError
from ambiser.features.upstreams.upstream_names import BASELINES, HUGGING_FACE, describe_unknown, names_in_s3prl
from ambiser.features.upstreams.weights import find_weights
from ambiser.launch import slurm
from ambiser.launch.resources import disk_of
from ambiser.recipe.experiments import Experiment, load_experiment, load_experiments

GIB = 2**30
LEAST_DISK_BYTES = GIB // 4


def show(name: str, value: str) -> None:
    """Prints an aligned line."""
    print(f"  {name:<12}{value}", flush=True)


def check_disk(name: str, folder: Path, faults: list[str]) -> None:
    """Looks at the space and the rights where a folder is or will be."""
    place, free = disk_of(folder)
    show("disk", f"{free / GIB:.1f} GiB free at {folder}")
    if not (place.is_dir() and os.access(place, os.W_OK)):
        faults.append(f"--{name} {folder}: {place} is no folder that can be written to")
    elif free < LEAST_DISK_BYTES:
        faults.append(
            f"--{name} {folder}: only {free / 2**20:.0f} MiB are free on its disk; make room, or take another"
        )


def check_configs(args: argparse.Namespace, faults: list[str]) -> list[Experiment]:
    """Loads all configurations; the faults of every one of them are collected."""
    found = len(faults)
    for path in args.configs:
        try:
            load_experiment(args, path, args.seeds[0])
        except ConfigError as error:
            faults += [line.strip() for line in str(error).splitlines() if not line.endswith("has faults:")]
    faults[found:] = dict.fromkeys(faults[found:])
    return load_experiments(args) if len(faults) == found else []


def check_weights(ssl: str, upstream: str, checkpoint: str, regime: str, faults: list[str]) -> None:
    """Says whether s3prl has an upstream, and whether its weights are here or come from the network."""
    if upstream in BASELINES:
        show("upstream", f"{upstream}: needs no weights")
        if regime == "finetune":
            faults.append(f"model.encoder: finetune: {upstream} has no weights to train; take --ssl wavlm_base_plus")
    elif (names := names_in_s3prl()) and upstream not in [*names, HUGGING_FACE]:
        faults.append(describe_unknown(upstream, [*names, HUGGING_FACE]))
    elif found := find_weights(upstream, checkpoint):
        show("upstream", f"{upstream}: weights in {found}")
    elif checkpoint and upstream != HUGGING_FACE:
        faults.append(f"speech_features.checkpoint: {checkpoint} is not there")
    else:
        show("upstream", f"{upstream} {checkpoint}".rstrip() + ": its weights are not on this machine")
        show("", f"stage 2 downloads them; if it has no network: tools/fetch_weights.sh {ssl}, where there is one")


def check_corpus(corpus: str, corpus_dir: Path | None, faults: list[str]) -> None:
    """Looks whether the corpus is there; what is in it is the business of stage 1."""
    if corpus == "mini":
        show("corpus", "mini: stage 1 makes it up")
        return
    show("corpus", f"{corpus}: {corpus_dir or 'no --corpus_dir'}")
    how = "" if corpus == "kaldi" else f" (how to get it: egs/{corpus}/README.md)"
    if corpus_dir is None:
        faults.append(f"{corpus}: no folder of the corpus is named; give --corpus_dir FOLDER{how}")
    elif not corpus_dir.is_dir():
        faults.append(f"{corpus}: the folder {corpus_dir} is not there; give --corpus_dir FOLDER{how}")


def check_slurm(path: Path, faults: list[str]) -> None:
    """Asks Slurm whether it would take jobs as a site's file describes them; nothing is submitted."""
    try:
        refused = slurm.refusals(load_slurm_config(path), ("cpu", "train"))
        show("Slurm", f"jobs as in {path}" if not refused else "refuses jobs")
        faults += [f"{path}: {line}" for line in refused]
    except UserError as error:
        faults += [line.strip() for line in str(error).splitlines() if not line.endswith(" has faults:")]
