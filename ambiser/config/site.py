"""conf/slurm.yaml: what a site's Slurm is asked for, by kind of job; every default stands here."""

import difflib
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, model_validator

from ambiser.config.data_keys import Count, Section
from ambiser.config.loader import CONF, read_yaml
from ambiser.errors import ConfigError

SLURM_CONFIG = CONF / "slurm.yaml"
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.,@-]*$")]
Module = Annotated[str, Field(pattern=r"^[A-Za-z0-9_./+-]+$")]
Option = Annotated[str, Field(pattern=r"^--[a-z][^\n]*$")]
Word = Annotated[str, Field(pattern=r"^[^\n]+$")]
Seconds = Annotated[float, Field(gt=0)]


class JobRequest(Section):
    """What one kind of job asks for; what is empty or 0 is left to the site."""

    partition: Name = Field("", description="partition")
    account: Name = Field("", description="account that is charged")
    qos: Name = Field("", description="quality of service")
    time: Annotated[str, Field(pattern=r"^(\d+(:\d+){0,2}|\d+-\d+(:\d+){0,2})?$")] = Field(
        "", description="time limit: minutes, hours:minutes:seconds or days-hours"
    )
    memory: Annotated[str, Field(pattern=r"^(\d+[KMGT]?)?$")] = Field("", description="memory of a node, such as 4G")
    cpus: Count = Field(1, description="cores of a job")
    gpus: Annotated[int, Field(ge=0)] = Field(0, description="GPUs of a job")
    nodes: Count = Field(1, description="nodes of a job")
    tasks: Count = Field(1, description="finetune only: processes of one training on each node")
    constraint: Annotated[str, Field(pattern=r"^[^\n]*$")] = Field("", description="features that a node must have")
    throttle: Annotated[int, Field(ge=0)] = Field(0, description="jobs of an array at a time; 0 is no limit")
    modules: list[Module] = Field([], description="environment modules that are loaded first")
    container: list[Word] = Field([], description="words before every command, such as apptainer exec image.sif")
    extra: list[Option] = Field([], description="more options of sbatch, such as --mail-type=FAIL")

    def time_s(self) -> int:
        """Returns the time limit in seconds; 0 when the site decides."""
        days, dash, rest = self.time.rpartition("-")
        fields = [int(field) for field in rest.split(":")] if rest else [0]
        if dash:
            hours, minutes, seconds = [*fields, 0, 0][:3]
        else:
            hours, minutes, seconds = ([0, *fields, 0] if len(fields) < 3 else fields)[:3]
        return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds


class Slurm(Section):
    """A site."""

    cpu: JobRequest = JobRequest()
    gpu: JobRequest = JobRequest()
    train: JobRequest = JobRequest()
    finetune: JobRequest = JobRequest()
    feature_parts: Count = Field(8, description="jobs that feature extraction is divided into")
    retries: Annotated[int, Field(ge=0, le=20)] = Field(1, description="how often a failed job is submitted again")
    requeues: Annotated[int, Field(ge=0, le=1000)] = Field(
        20, description="how often a job that is warned of its end goes back into the queue"
    )
    warning_s: Annotated[int, Field(ge=0, le=65535)] = Field(
        120, description="seconds before the time limit at which a job is told to stop and queue again; 0: it is not"
    )
    poll_s: Seconds = Field(10.0, description="most seconds between two looks at the queue")
    late_s: Seconds = Field(60.0, description="seconds after which a file that another machine wrote must be visible")

    @model_validator(mode="after")
    def _only_encoders_learn_together(self) -> "Slurm":
        for kind in ("cpu", "gpu", "train"):
            if getattr(self, kind).tasks > 1:
                raise ValueError(f"{kind}.tasks: must be 1, for only encoders that learn (finetune) are divided")
        return self


def load_slurm_config(path: Path) -> Slurm:
    """Loads a site's settings.

    Raises:
        ConfigError: with one line for every fault: file, line, key, value, and the nearest valid key.
    """
    tree, lines, faults = read_yaml(path)
    try:
        config = Slurm.model_validate(tree)
    except ValidationError as error:
        faults += [_describe(fault, path, lines) for fault in error.errors()]
    if faults:
        raise ConfigError("\n  ".join([f"{path} has faults:", *dict.fromkeys(faults)]))
    return config


def _describe(fault: dict, path: Path, lines: dict[tuple[str, ...], int]) -> str:
    keys = tuple(str(key) for key in fault["loc"])
    named = keys
    while named and named not in lines:
        named = named[:-1]
    where = f"{path}:{lines[named]}" if named else str(path)
    dotted = ".".join(keys)
    if fault["type"] == "extra_forbidden":
        section = JobRequest if len(keys) > 1 else Slurm
        near = difflib.get_close_matches(keys[-1], section.model_fields, n=1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'?" if near else f"valid here: {', '.join(section.model_fields)}"
        return f"{where}: unknown key '{dotted}'; {hint}"
    return f"{where}: {dotted}: {fault['msg'].replace('Input should', 'should')}, got {str(fault['input'])!r}"
