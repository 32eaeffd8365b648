"""Checks configurations, disks, weights, corpus and Slurm for stage 0; each check prints a line of facts."""

import argparse
import os
import platform
from pathlib import Path

from ambiser.config.site import load_slurm_config
from ambiser.errors import ConfigError, UserError
from ambiser.features.upstreams.upstream_names import BASELINES, HUGGING_FACE, find_fault
from ambiser.features.upstreams.weights import find_weights
from ambiser.io.provenance import git_state, versions
from ambiser.launch import slurm
from ambiser.launch.resources import available_memory_bytes, disk_of, free_gpus
from ambiser.recipe.experiments import Experiment, load_experiment, load_experiments
from ambiser.recipe.options import count_cores

GIB = 2**30
LEAST_DISK_BYTES = GIB // 4


def show(name: str, value: str) -> None:
    """Prints an aligned line."""
    print(f"  {name:<12}{value}", flush=True)


def load_all_or_explain(args: argparse.Namespace) -> list[Experiment]:
    """Loads all experiments.

    Raises:
        ConfigError: with the faults of all configurations, each once.
    """
    faults: list[str] = []
    for path in args.config:
        try:
            load_experiment(args, path, args.seeds[0])
        except ConfigError as error:
            faults += _fault_lines(error)
    if faults:
        raise ConfigError("\n  ".join(["fix the configuration first:", *dict.fromkeys(faults)]))
    return load_experiments(args)


def show_machine() -> None:
    """Prints the facts about this machine and its software."""
    show("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    show("packages", ", ".join(f"{name} {version}" for name, version in versions().items() if name != "python"))
    show("git", git_state())
    show("cores", str(count_cores()))
    show("memory", f"{available_memory_bytes() / GIB:.1f} GiB available")
    show("GPU", ", ".join(f"{free / GIB:.1f} GiB free" for _, free in free_gpus()) or "none; the CPU is used")


def check_disk(name: str, folder: Path, faults: list[str]) -> None:
    """Checks the free space and the permission to write at a folder, which need not exist yet."""
    place, free = disk_of(folder)
    show("disk", f"{free / GIB:.1f} GiB free at {folder}")
    if not (place.is_dir() and os.access(place, os.W_OK)):
        faults.append(f"--{name} {folder}: {place} is not a folder with permission to write")
    elif free < LEAST_DISK_BYTES:
        faults.append(f"--{name} {folder}: only {free / 2**20:.0f} MiB free; free some space, or use another disk")


def check_weights(ssl: str, upstream: str, checkpoint: str, regime: str, faults: list[str]) -> None:
    """Checks that s3prl has an upstream, and shows whether its weights are on this machine or must be downloaded."""
    if upstream in BASELINES:
        show("upstream", f"{upstream}: needs no weights")
        if regime == "finetune":
            faults.append(f"model.encoder: finetune: {upstream} has no weights to train; use --ssl wavlm_base_plus")
    elif fault := find_fault(upstream):
        faults.append(fault)
    elif found := find_weights(upstream, checkpoint):
        show("upstream", f"{upstream}: weights in {found}")
    elif checkpoint and upstream != HUGGING_FACE:
        faults.append(f"speech_features.checkpoint: {checkpoint} does not exist")
    else:
        show("upstream", f"{upstream} {checkpoint}".rstrip() + ": its weights are not on this machine")
        show("", f"stage 2 downloads them; without a network, first run tools/fetch_weights.sh {ssl} elsewhere")


def check_corpus(corpus: str, corpus_dir: Path | None, faults: list[str]) -> None:
    """Checks that the folder of the corpus exists; stage 1 checks its contents."""
    if corpus == "mini":
        show("corpus", "mini: synthesized by stage 1")
        return
    show("corpus", f"{corpus}: {corpus_dir or 'no --corpus_dir'}")
    how = "" if corpus == "kaldi" else f" (how to get it: egs/{corpus}/README.md)"
    if corpus_dir is None:
        faults.append(f"{corpus}: the corpus needs a folder; give --corpus_dir FOLDER{how}")
    elif not corpus_dir.is_dir():
        faults.append(f"{corpus}: the folder {corpus_dir} does not exist; give --corpus_dir FOLDER{how}")


def check_slurm(path: Path, faults: list[str]) -> None:
    """Asks Slurm whether it would accept jobs as a site's file describes them; submits nothing."""
    try:
        refused = slurm.refusals(load_slurm_config(path), ("cpu", "train"))
        show("Slurm", f"jobs as in {path}" if not refused else "refuses jobs")
        faults += [f"{path}: {line}" for line in refused]
    except UserError as error:
        faults += _fault_lines(error)


def _fault_lines(error: UserError) -> list[str]:
    return [line.strip() for line in str(error).splitlines() if not line.endswith(" has faults:")]
