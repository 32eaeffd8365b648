"""Compares pairs of scored experiments at every value of a key, or without a key (a ladder)."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ambiser.config.used_keys import differing_used_keys
from ambiser.errors import ConfigError
from ambiser.io.console import log, progress
from ambiser.io.layout import Layout, require
from ambiser.recipe.comparisons import load_contender
from ambiser.recipe.result_folders import system_of_folder
from ambiser.recipe.systems import System, folds_to_use

Pair = tuple[str, str]
Group = dict[str, list[System]]
"""By name in a pair, the seeds of an experiment."""


def read_pairs(words: Sequence[str]) -> list[Pair]:
    """Returns base and other of each word BASE/OTHER.

    Raises:
        ConfigError: a word is not two names, or is given twice.
    """
    pairs = []
    for word in words:
        base, _, other = word.partition("/")
        if not base or not other or "/" in other or base == other:
            raise ConfigError(f"--pairs {word}: must be two experiments, as in ce/jsd")
        if (base, other) in pairs:
            raise ConfigError(f"--pairs {word}: is given twice")
        pairs.append((base, other))
    return pairs


def load_systems(folders: Sequence[Path], data_dirs: Sequence[Path]) -> list[System]:
    """Returns the experiments of folders.

    Args:
        folders: such as exp/ce-fbank-s1; files and folders without results, such as exp/figures, are skipped.
        data_dirs: one for all, or one per folder that holds experiments, in the same order.

    Raises:
        ConfigError: the number of data folders does not fit, or a folder is given twice.
    """
    unscored = [folder for folder in folders if not (folder / "results.json").is_file()]
    if unscored:
        log.info("skipped %d without results of stage 7, such as %s", len(unscored), unscored[0])
    folders = [folder for folder in folders if folder not in unscored]
    places = list(dict.fromkeys(folder.parent for folder in folders))
    if len(data_dirs) not in (1, len(places)):
        given = ", ".join(map(str, places))
        raise ConfigError(f"--data_dirs: give one, or one for each of {given}; got {len(data_dirs)}")
    data = dict(zip(places, data_dirs if len(data_dirs) > 1 else data_dirs * len(places), strict=True))
    systems = []
    for folder in dict.fromkeys(folders):
        systems.append(system_of_folder(folder, Layout(data[folder.parent], Path("dump"), folder.parent)))
    return systems


def group_systems(systems: Sequence[System], pairs: Sequence[Pair], key: str) -> dict[float | None, Group]:
    """Returns the experiments of the pairs by the value of the key, sorted; by None without a key.

    Raises:
        ConfigError: the key is unknown or no number, an experiment is missing or ambiguous, or all have one value.
    """
    groups: dict[float | None, Group] = {}
    for name in dict.fromkeys(name for pair in pairs for name in pair):
        own = [system for system in systems if name in (system.name, _config_name(system))]
        if not own:
            there = " ".join(dict.fromkeys(map(_config_name, systems)))
            raise ConfigError(f"--pairs: {name} is none of the experiments of --results; there are {there or 'none'}")
        for system in own:
            seeds = groups.setdefault(_value(system, key), {}).setdefault(name, [])
            same = next((one for one in seeds if one.seed == system.seed), None)
            if same is not None:
                both = " and ".join(str(one.experiment.layout.experiment(one.tag)) for one in (same, system))
                raise ConfigError(f"{both} are both {name} with seed {system.seed}; name one of them in --results")
            seeds.append(system)
    if key and len(groups) < 2:
        raise ConfigError(f"--key {key}: is {next(iter(groups)):g} in all experiments; give two or more values")
    return {value: groups[value] for value in sorted(groups, key=lambda value: value or 0)}


def compare_groups(
    groups: dict[float | None, Group], pairs: Sequence[Pair], key: str, metrics: Sequence[str]
) -> list[object]:
    """Returns a `SweepRow` per pair, value and score; a value that a pair lacks is logged.

    Raises:
        ConfigError: no value has both experiments of a pair.
    """
    from ambiser.scoring.comparison import compare
    from ambiser.scoring.sweep_rows import rows_of_comparison

    rows = []
    for value, group in progress(list(groups.items()), "compare"):
        for base, others in _by_base(pairs, group, f"{key} = {value:g}" if key else ""):
            score = group[base][0].experiment.config.score
            contenders = [_load(name, group[name]) for name in (base, *others)]
            found = compare(contenders, bins=score.ece_bins, resamples=score.paired_resamples, metrics=metrics)
            rows += rows_of_comparison(found, key=key, value=value)
    if not rows:
        raise ConfigError(f"no value of {key} has both experiments of a pair; see the lines above")
    return rows


def notes_on_settings(groups: dict[float | None, Group], key: str) -> list[str]:
    """Returns a line per experiment whose settings differ between values in more than the key."""
    first: Group = {}
    notes = []
    for value, group in groups.items():
        for name, systems in group.items():
            config = systems[0].experiment.config
            base = first.setdefault(name, systems)[0].experiment.config
            lines = [line for line in differing_used_keys(base, config) if not line.startswith(f"{key}:")]
            if lines:
                notes.append(f"{name} at {value:g} also differs in {'; '.join(lines)}")
    return notes


def _by_base(pairs: Sequence[Pair], group: Group, where: str) -> Iterator[tuple[str, list[str]]]:
    """Yields each base with the experiments compared with it that are present."""
    for base in dict.fromkeys(base for base, _ in pairs):
        others = [other for one, other in pairs if one == base]
        missing = [name for name in (base, *others) if name not in group]
        if missing:
            log.warning("%s: no results of %s", where, " ".join(missing))
        others = [other for other in others if other in group]
        if base in group and others:
            yield base, others


def _load(name: str, systems: list[System]) -> object:
    """Loads the predictions of all seeds; only those that stage 7 scored, so that no model is run here."""
    from ambiser.scoring.results_file import read_results

    for one in systems:
        layout = one.experiment.layout
        folds = read_results(layout.results(one.tag)).stamp.folds
        for fold in folds:
            require(layout.predictions(one.tag, fold), "score")
    return load_contender(name, systems, folds_to_use(systems[0].experiment, folds))


def _config_name(system: System) -> str:
    """Returns the name of the configuration file, without features and tag."""
    ssl = re.escape(system.experiment.config.ssl)
    return re.sub(f"-{ssl}(-.*)?$", "", system.name)


def _value(system: System, key: str) -> float | None:
    if not key:
        return None
    value: object = system.experiment.config
    for name in key.split("."):
        if name not in getattr(type(value), "model_fields", {}):
            raise ConfigError(f"--key {key}: there is no such key; conf/base.yaml lists all")
        value = getattr(value, name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"--key {key}: must be a number, is {value} in {system.tag}")
    return float(value)
