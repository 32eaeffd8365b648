"""Lists the systems to score (experiments, ensembles, imported predictions) and finds their predictions."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from ambiser.config import differing_keys
from ambiser.errors import ConfigError, DataError
from ambiser.io.corpus_record import read_record
from ambiser.io.layout import require
from ambiser.recipe.experiments import Experiment
from ambiser.recipe.points import choose


@dataclass(frozen=True)
class System:
    """Something to score: an experiment, the mean of its seeds, or predictions of another toolkit.

    Attributes:
        experiment: sets how it is scored; for an ensemble, the experiment of the first seed.
        tag: name with seed; the name of its folder.
        name: name without seed.
        imported: predictions of another toolkit.
        members: the systems that an ensemble averages.
    """

    experiment: Experiment
    tag: str
    name: str
    imported: Path | None = None
    members: tuple["System", ...] = ()

    @property
    def seed(self) -> int | None:
        """The seed; None for an ensemble."""
        return None if self.members else self.experiment.seed


def all_systems(args: argparse.Namespace, experiments: list[Experiment]) -> list[System]:
    """Returns the experiments, their ensembles with --ensemble, and the imported predictions.

    An ensemble averages the probabilities of all seeds of an experiment. Imported predictions are scored like the
    first experiment.

    Raises:
        ConfigError: an imported file has the name of another system, or an ensemble has only one seed.
        DataError: an imported file is missing.
    """
    systems = []
    for one in experiments:
        name = "-".join(part for part in (one.config_path.stem, one.config.ssl, args.tag) if part)
        systems.append(System(one, one.tag, name))
    if args.ensemble:
        systems += _ensembles(systems)
    for path in args.predictions:
        taken = {word for system in systems for word in (system.tag, system.name)}
        if path.stem in taken or (experiments[0].layout.experiment(path.stem) / "config.yaml").is_file():
            raise ConfigError(f"--predictions {path}: '{path.stem}' is the name of another system; rename the file")
        if not path.is_file():
            raise DataError(f"--predictions {path}: the file does not exist")
        systems.append(System(experiments[0], path.stem, path.stem, path))
    return systems


def folds_to_use(experiment: Experiment, wanted: list[int]) -> list[int]:
    """Returns the wanted folds, or all folds of stage 1 if none is named.

    Raises:
        ConfigError: a fold is named twice, stage 1 did not make it, or it was run with another configuration.
        DataError: stage 1 has not run.
    """
    path = require(experiment.layout.corpus_record(), "prepare")
    corpus = read_record(path)
    lines = differing_keys({"data": corpus.data}, {"data": experiment.config.data.model_dump(mode="json")})
    if lines:
        remedy = "use another --data_dir"
        raise ConfigError("\n  ".join([f"{path} was made with another configuration; {remedy}:", *lines]))
    made = " ".join(map(str, corpus.folds))
    for fold in wanted:
        if wanted.count(fold) > 1:
            raise ConfigError(f"--folds {' '.join(map(str, wanted))}: fold {fold} is named twice; name each fold once")
        if fold not in corpus.folds:
            raise ConfigError(f"--folds {fold}: there is no such fold; {path} has {made}")
    return sorted(wanted or corpus.folds)


def require_models(system: System, folds: list[int]) -> None:
    """Checks that every fold has a model or predictions."""
    for member in system.members:
        require_models(member, folds)
    layout, stage = system.experiment.layout, system.experiment.config.stages[-1]
    for fold in folds if system.imported is None and not system.members else []:
        if not layout.predictions(system.tag, fold).is_file():
            point = choose(system.experiment, fold)
            require(layout.best(point.tag, fold, stage), stage)


def ensure_predictions(system: System, fold: int, part: str = "test") -> Path:
    """Returns the predictions for a part of a fold, after predicting if they are missing or older than the model."""
    from ambiser.scoring.prediction_table import average_predictions
    from ambiser.scoring.results_file import is_newer

    if system.imported is not None:
        return system.imported
    layout, path = system.experiment.layout, system.experiment.layout.predictions(system.tag, fold, part)
    if system.members:
        sources = [ensure_predictions(member, fold, part) for member in system.members]
        if not path.is_file() or any(is_newer(source, path) for source in sources):
            average_predictions(sources, path)
        return path
    point = choose(system.experiment, fold)
    sources = layout.best(point.tag, fold, point.config.stages[-1]), layout.choice(system.tag, fold)
    if path.is_file() and not any(is_newer(source, path) for source in sources):
        return path
    from ambiser.train.prediction import predict_fold

    return predict_fold(point.config, layout, system.tag, fold, part)


def _ensembles(systems: list[System]) -> list[System]:
    """Returns an ensemble for each name, with the seeds in its tag: NAME-s1+2+3."""
    made = []
    for name in dict.fromkeys(system.name for system in systems):
        members = tuple(system for system in systems if system.name == name)
        if len(members) < 2:
            raise ConfigError(f"--ensemble: {name} has one seed; give two or more, as in --seeds 1 2 3")
        seeds = "+".join(str(member.experiment.seed) for member in members)
        made.append(System(members[0].experiment, f"{name}-s{seeds}", f"{name}-ensemble", members=members))
    return made
