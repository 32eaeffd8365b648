"""Systems to score: experiments and imported predictions, and where their probabilities stand."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from ambiser.bin.arguments import Parser
from ambiser.bin.experiments import Experiment
from ambiser.errors import ConfigError, DataError
from ambiser.io.layout import require


@dataclass(frozen=True)
class System:
    """Something to score: an experiment, or predictions of another toolkit scored as the experiment says."""

    experiment: Experiment
    tag: str
    name: str
    imported: Path | None = None


def add_predictions(parser: Parser) -> None:
    """Adds --predictions."""
    parser.add_argument(
        "--predictions", type=Path, nargs="*", default=[], metavar="FILE",
        help="class probabilities of other toolkits (utt and a column for each class), each known by its file's name",
    )  # fmt: skip


def all_systems(args: argparse.Namespace, experiments: list[Experiment]) -> list[System]:
    """Returns the experiments, and the imported predictions, which are scored as the first experiment is.

    Raises:
        ConfigError: an imported file has the name of another system.
        DataError: an imported file is missing.
    """
    systems = []
    for one in experiments:
        name = "-".join(part for part in (one.config_path.stem, one.config.ssl, args.tag) if part)
        systems.append(System(one, one.tag, name))
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
    from ambiser.scoring.results import choose_folds

    return choose_folds(require(experiment.layout.corpus_record(), "prepare_data"), experiment.config, wanted)


def require_models(system: System, folds: list[int]) -> None:
    """Checks that every fold has a model or predictions, before anything is written."""
    layout, stage = system.experiment.layout, system.experiment.config.stages[-1]
    for fold in folds if system.imported is None else []:
        if not layout.predictions(system.tag, fold).is_file():
            require(layout.best(system.tag, fold, stage), stage)


def predictions_of(system: System, fold: int, part: str = "test") -> Path:
    """Returns the predictions for a part of a fold, made when they are missing or older than the model."""
    from ambiser.scoring.results import is_newer

    if system.imported is not None:
        return system.imported
    config, layout = system.experiment.config, system.experiment.layout
    path, best = layout.predictions(system.tag, fold, part), layout.best(system.tag, fold, config.stages[-1])
    if path.is_file() and not is_newer(best, path):
        return path
    from ambiser.train.predict import predict_fold

    return predict_fold(config, layout, system.tag, fold, part)
