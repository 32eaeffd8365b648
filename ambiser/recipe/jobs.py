"""Makes the jobs of each stage: a command, a log and a last file per training, part of the features or score."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ambiser.config.resolved import flatten
from ambiser.config.used_keys import stage_config, unused_keys
from ambiser.features.upstreams.upstream_names import BASELINES
from ambiser.io.console import log
from ambiser.io.files import digest
from ambiser.io.layout import part_file
from ambiser.launch.job import Job, split_done
from ambiser.recipe.experiments import Experiment, claim_experiment
from ambiser.recipe.inputs import speech_dir, unfinished_speech, unfinished_text
from ambiser.recipe.options import OPTIONS, command_words
from ambiser.recipe.points import check_dev_majorities, expand
from ambiser.recipe.systems import folds_to_use
from ambiser.stages import STAGES, TRAINING_STAGES, find_stage

LAUNCHED = tuple(stage.name for stage in STAGES if stage.job)
"""The stages that can run as jobs."""
JOIN = "join"
"""The second wave of stage 2: joins the parts of the speech features and extracts the text features."""
ORDER = tuple(wave for name in LAUNCHED for wave in ((name, JOIN) if name == "extract" else (name,)))
"""All waves of jobs; a submission waits for the waves before it."""

MODULES = {
    **dict.fromkeys(
        TRAINING_STAGES,
        # The last two: the first step of an optimizer and the first curve import them.
        ("ambiser.train.run_stage", "ambiser.recipe.program_options", "torch._dynamo", "torch.utils.tensorboard"),
    ),
    "score": ("ambiser.train.run_stage", "ambiser.recipe.score_system", "ambiser.recipe.program_options"),
}
"""What the jobs of a stage import: a fork server on this machine imports it once."""


def jobs_dir(exp_dir: Path, stage: str) -> Path:
    """Returns the folder that records the submissions of a stage."""
    return exp_dir / "jobs" / stage


def has_stage(experiment: Experiment, stage: str) -> bool:
    """Tells whether an experiment has a stage, and logs a skipped one."""
    if find_stage(stage).trains and stage not in experiment.config.stages:
        log.info("%s has no stage %s: skipped", experiment.tag, stage)
        return False
    return True


def waves(args: argparse.Namespace, experiments: list[Experiment]) -> list[tuple[str, list[Job]]]:
    """Returns the waves of a stage in order: the name under which submissions are recorded, and the jobs to run."""
    if args.stage == "extract":
        cores = getattr(args.site, kind(args.stage, experiments)).cpus if args.launcher == "slurm" else 1
        parts, join = features(args, experiments, args.site.feature_parts, cores)
        return [("extract", parts), (JOIN, join)]
    if args.stage == "score":
        return [("score", [scoring(args, experiment) for experiment in experiments])]
    if args.stage == "report":
        return [("report", [report(args)])]
    folds = folds_to_use(experiments[0], args.folds) if experiments else []
    trained = expand(experiments)
    if not args.dry_run:
        check_dev_majorities(experiments, folds)
        for experiment in {one.tag: one for one in (*experiments, *trained)}.values():
            claim_experiment(experiment)
    done, left = split_done(training(args, experiment, fold) for experiment in trained for fold in folds)
    if done and not args.dry_run:
        log.info("%s: %d of %d jobs are done already", args.stage, len(done), len(done) + len(left))
    return [(args.stage, left)]


def training(args: argparse.Namespace, experiment: Experiment, fold: int) -> Job:
    """Returns the job that trains a stage of an experiment on a fold."""
    layout, tag = experiment.layout, experiment.tag
    log_path = layout.experiment(tag) / "logs" / f"{args.stage}.fold{fold}.log"
    program, own = find_stage(args.stage).program, ["--stage", args.stage]
    own += ["--point", experiment.point] if experiment.point else []
    argv = _command(args, program, own, config=[experiment.config_path], seeds=[experiment.seed], folds=[fold])
    done = layout.best(tag, fold, args.stage)
    learns = experiment.config.learns()
    alike = "" if learns else _training_key(experiment, args.stage, fold)
    return Job(f"{tag} fold {fold}", argv, log_path, done, divisible=learns, alike=alike)


def _training_key(experiment: Experiment, stage: str, fold: int) -> str:
    """Returns a hash that trainings share if the keys that they can read are equal."""
    config = stage_config(experiment.config, stage)
    apart = unused_keys(config) | {"data", "score", "tune"}
    keys = {key: value for key, value in flatten(config.model_dump(mode="json")).items() if key not in apart}
    read = {key: value for key, value in keys.items() if key.partition(".")[0] not in apart}
    return digest(stage, str(experiment.seed), str(fold), repr(sorted(read.items())))


def features(args: argparse.Namespace, experiments: list[Experiment], parts: int, nj: int) -> tuple[list, list]:
    """Returns the jobs that extract parts of the speech features, and the job that joins them and extracts text."""
    speech, text = unfinished_speech(experiments), unfinished_text(experiments)
    logs = args.dump_dir / "logs"
    made = []
    for experiment in speech:
        folder = speech_dir(experiment)
        for number in range(1, parts + 1):
            own = ["--part", str(number), str(parts)]
            argv = _command(args, "extract", own, config=[experiment.config_path], seeds=[], folds=[], nj=nj)
            name = f"{folder.name} part {number}/{parts}"
            log_path = logs / f"{folder.name}.{number}-of-{parts}.log"
            made.append(Job(name, argv, log_path, part_file(folder, (number, parts))))
    if not speech and not text:
        return [], []
    last = text[-1].text_dir() if text else speech_dir(speech[-1])
    argv = _command(args, "extract", seeds=[], folds=[], nj=nj)
    return made, [Job("join features", argv, logs / "join.log", last / "feats.scp")]


def kind(wave: str, experiments: list[Experiment]) -> str:
    """Returns the kind of job of a wave: cpu, gpu, train or finetune."""
    if wave == JOIN:
        return "cpu"
    stage = find_stage(wave)
    kind = stage.job_finetune if any(e.config.learns() for e in experiments) else stage.job
    if kind != "features":
        return kind
    offline = all(e.config.speech_features.upstream in BASELINES for e in experiments)
    return "cpu" if offline else "gpu"


def scoring(args: argparse.Namespace, experiment: Experiment) -> Job:
    """Returns the job that scores an experiment; it does nothing if the results are up to date."""
    layout, tag = experiment.layout, experiment.tag
    argv = _command(args, "score", config=[experiment.config_path], seeds=[experiment.seed])
    return Job(f"score {tag}", argv, layout.experiment(tag) / "logs/score.log", layout.results(tag))


def report(args: argparse.Namespace) -> Job:
    """Returns the job that makes the report of all experiments."""
    log_path, done = jobs_dir(args.exp_dir, "report") / "report.log", args.exp_dir / "RESULTS.md"
    return Job("report", _command(args, "report"), log_path, done)


def _command(args: argparse.Namespace, program: str, own: Sequence[str] = (), **changed: object) -> tuple[str, ...]:
    """Returns the command of a job: the options of this program that the other one takes too, with some changed.

    Args:
        args: the options of this program.
        program: the one to run.
        own: words that only the other program knows.
        changed: values in place of those of this program.
    """
    # A job scores and reports experiments alone: run.sh refuses imported predictions and ensembles with Slurm.
    known = {name: option.default for name, option in OPTIONS.items()} | vars(args) | changed
    return (sys.executable, "-m", f"ambiser.bin.{program}", *own, *command_words(program, known))
