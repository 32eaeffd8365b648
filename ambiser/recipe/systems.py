"""Systems to score: experiments and imported predictions, and where their probabilities stand."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from ambiser.errors import ConfigError, DataError
from ambiser.io.layout import require
from ambiser.recipe.arguments import Parser
from ambiser.recipe.experiments import Experiment


@dataclass(frozen=True)
class System:
    """Something to score: an experiment, the mean of its seeds, or predictions of another toolkit.

    Attributes:
        experiment: how it is scored; of an ensemble that of the first seed.
        tag: name with seed, of its folder.
        name: without the seed.
        imported: the file of another toolkit.
        members: of an ensemble, the systems whose probabilities are averaged.
    """

    experiment: Experiment
    tag: str
    name: str
    imported: Path | None = None
    members: tuple["System", ...] = ()

    @property
    def seed(self) -> int | None:
        """The seed, where there is one."""
        return None if self.members else self.experiment.seed


def add_predictions(parser: Parser) -> None:
    """Adds --predictions and --ensemble."""
    parser.add_argument(
        "--predictions",
        type=Path,
        nargs="*",
        default=[],
        metavar="FILE",
        help="class probabilities of other toolkits (utt and a column for each class), each known by its file's name",
    )
    parser.add_argument(
        "--ensemble", action="store_true", help="also score the mean over the seeds of each experiment (deep ensemble)"
    )


def all_systems(args: argparse.Namespace, experiments: list[Experiment]) -> list[System]:
    """Returns the experiments, by option their ensembles, and the imported predictions.

    An ensemble averages the probabilities of all seeds of an experiment. Imported predictions are scored as the first
    experiment is.

    Raises:
        ConfigError: an imported file has the name of another system, or there is one seed to average.
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
            raise DataError(f"--predictions {path}: there is no such file")
        systems.append(System(experiments[0], path.stem, path.stem, path))
    return systems


def folds_to_use(experiment: Experiment, wanted: list[int]) -> list[int]:
    """Returns the wanted folds, or all of stage 1 when none is wanted, after checking that they fit."""
    from ambiser.scoring.stamp import choose_folds

    return choose_folds(require(experiment.layout.corpus_record(), "prepare"), experiment.config, wanted)


def require_models(system: System, folds: list[int]) -> None:
    """Checks that every fold has a model or predictions, before anything is written."""
    for member in system.members:
        require_models(member, folds)
    layout, stage = system.experiment.layout, system.experiment.config.stages[-1]
    for fold in folds if system.imported is None and not system.members else []:
        if not layout.predictions(system.tag, fold).is_file():
            require(layout.best(system.tag, fold, stage), stage)


def predictions_of(system: System, fold: int, part: str = "test") -> Path:
    """Returns the predictions for a part of a fold, made when they are missing or older than what they come from."""
    from ambiser.scoring.prediction_table import average_predictions
    from ambiser.scoring.results_file import is_newer

    if system.imported is not None:
        return system.imported
    config, layout = system.experiment.config, system.experiment.layout
    path, best = layout.predictions(system.tag, fold, part), layout.best(system.tag, fold, config.stages[-1])
    if system.members:
        sources = [predictions_of(member, fold, part) for member in system.members]
        if not path.is_file() or any(is_newer(source, path) for source in sources):
            average_predictions(sources, path)
        return path
    if path.is_file() and not is_newer(best, path):
        return path
    from ambiser.train.prediction import predict_fold

    return predict_fold(config, layout, system.tag, fold, part)


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
