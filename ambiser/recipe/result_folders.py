"""Finds scored experiments by their folders in --exp_dir, whatever options made them."""

import argparse
from collections.abc import Collection, Sequence
from pathlib import Path

from ambiser.config import load_config
from ambiser.errors import ConfigError, DataError
from ambiser.io.choice_file import model_tag
from ambiser.io.layout import Layout, require
from ambiser.recipe.experiments import Experiment
from ambiser.recipe.systems import System


def systems_of_folders(folders: Sequence[Path], args: argparse.Namespace, taken: Collection[str] = ()) -> list[System]:
    """Returns the experiment of each folder, with the configuration and the seed that made it.

    Args:
        folders: such as exp/ce-fbank-s1; they may be in several experiment folders.
        args: with data_dir and dump_dir.
        taken: tags of systems that were named otherwise.

    Raises:
        ConfigError: a folder is named twice, or is not of an experiment (ensembles and imported predictions are not).
        DataError: stage 7 has not scored it.
    """
    systems = []
    for folder in folders:
        if folder.name in {*taken, *(system.tag for system in systems)}:
            raise ConfigError(f"--results {folder}: {folder.name} is given twice")
        systems.append(system_of_folder(folder, Layout(args.data_dir, args.dump_dir, folder.parent)))
    return systems


def system_of_folder(folder: Path, layout: Layout) -> System:
    """Returns the experiment of a folder; raises as `systems_of_folders`."""
    from ambiser.scoring.results_file import read_results

    if not folder.is_dir():
        raise ConfigError(f"--results {folder}: is not a folder; name folders of experiments, as in exp/ce-fbank-s1")
    results = read_results(require(layout.results(folder.name), "score"))
    path = folder / "config.yaml"
    if not path.is_file():
        raise ConfigError(f"{folder}: has no config.yaml; name ensembles and imported predictions with --config")
    experiment = Experiment(load_config(path), path, results.stamp.seed, folder.name, layout)
    return System(experiment, folder.name, results.name)


def other_results(exp_dir: Path, tags: Collection[str]) -> tuple[list[object], list[str]]:
    """Reads the results of all experiments in a folder but those named.

    Returns:
        The `Results`, ordered by name, and a line on those that cannot be used; none if there are none.
    """
    from ambiser.scoring.results_file import OtherFormatError, read_results

    found, unused = [], {}
    for path in sorted(exp_dir.glob("*/results.json")):
        tag = path.parent.name
        if tag in tags:
            continue
        try:
            results = read_results(path)
        except OtherFormatError:
            unused.setdefault("of another format", []).append(tag)
        except DataError:
            unused.setdefault("not readable", []).append(tag)
        else:
            if results.tag == tag:
                found.append(results)
            else:
                unused.setdefault("in a renamed folder", []).append(tag)
    parts = [f"{len(names)} {reason} ({', '.join(names)})" for reason, names in unused.items()]
    return found, [f"results left out: {'; '.join(parts)}; run stage 7 again or remove them"] if parts else []


def other_systems(layout: Layout, results: Sequence[object]) -> list[System]:
    """Returns the experiments of results whose predictions are as old as the results and need not be made anew."""
    folders = [layout.experiment(one.tag) for one in results]
    systems = [system_of_folder(folder, layout) if (folder / "config.yaml").is_file() else None for folder in folders]
    pairs = zip(systems, results, strict=True)
    return [system for system, one in pairs if system is not None and _is_predicted(system, one.stamp.folds)]


def _is_predicted(system: System, folds: Sequence[int]) -> bool:
    """Whether predictions exist for all folds, older than the results and newer than the models."""
    from ambiser.scoring.results_file import is_newer

    layout, tag, config = system.experiment.layout, system.tag, system.experiment.config
    parts = ("test",) if config.score.calibration == "none" else ("test", "dev")
    for fold in folds:
        best = layout.best(model_tag(layout, tag, fold), fold, config.stages[-1])
        for path in (layout.predictions(tag, fold, part) for part in parts):
            if not path.is_file() or is_newer(best, path) or is_newer(path, layout.results(tag)):
                return False
    return True
