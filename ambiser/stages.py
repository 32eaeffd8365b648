"""Lists the stages of a recipe; their numbers, names, programs and last files are written nowhere else.

A stage has one name, used as option, configuration section, folder and log. To add one, see `ambiser/README.md`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """One numbered step of a recipe.

    Attributes:
        number: what `--stage` takes.
        name: the one word for it. A training stage has the configuration section and the folder of this name.
        title: its description in the log.
        program: the module in `ambiser.bin` that does the work.
        last_file: the file that it writes last, relative to the recipe's folder; empty for a stage that writes none.
        job: the kind of job in conf/slurm.yaml; empty for a stage that always runs where run.sh runs.
            "features" means cpu or gpu, as the upstream needs.
        job_finetune: the kind of job when a pre-trained encoder is trained.
        trains: whether it trains a model on one fold.
    """

    number: int
    name: str
    title: str
    program: str
    last_file: str
    job: str = ""
    job_finetune: str = ""
    trains: bool = False


def _training(number: int, name: str, title: str) -> Stage:
    """Returns a training stage: these differ in number, name and title only."""
    last_file = f"exp/TAG/foldK/{name}/best.safetensors"
    return Stage(number, name, title, "train", last_file, job="train", job_finetune="finetune", trains=True)


STAGES = (
    Stage(0, "check", "check configuration, machine and corpus", "check", ""),
    Stage(1, "prepare", "prepare data", "prepare", "data/corpus.json"),
    Stage(
        2,
        "extract",
        "extract speech and text features",
        "extract",
        "dump/SSL/feats.scp, dump/TEXT/feats.scp",
        job="features",
        job_finetune="features",
    ),
    _training(3, "prototypes", "learn prototypes"),
    _training(4, "update", "update prototypes"),
    _training(5, "contrastive", "contrastive fine-tuning"),
    _training(6, "distill", "teacher-student distillation"),
    Stage(7, "score", "score", "score", "exp/TAG/results.json", job="cpu", job_finetune="gpu"),
    Stage(8, "report", "report", "report", "exp/RESULTS.md, exp/report.html", job="cpu", job_finetune="cpu"),
)
TRAINING_STAGES = tuple(stage.name for stage in STAGES if stage.trains)
_BY_NAME = {stage.name: stage for stage in STAGES}


def find_stage(name: str) -> Stage:
    """Returns the stage with this name.

    Raises:
        KeyError: there is no such stage.
    """
    return _BY_NAME[name]
