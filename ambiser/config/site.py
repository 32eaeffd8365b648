"""Defines the keys of conf/slurm.yaml: the resources that each kind of job requests from Slurm."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, model_validator

from ambiser.config.faults import describe_fault
from ambiser.config.section import Count, Positive, Section
from ambiser.config.yaml_reader import CONF, read_yaml
from ambiser.errors import ConfigError

SLURM_CONFIG = CONF / "slurm.yaml"
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.,@-]*$")]
Module = Annotated[str, Field(pattern=r"^[A-Za-z0-9_./+-]+$")]
Option = Annotated[str, Field(pattern=r"^--[a-z][^\n]*$")]
Word = Annotated[str, Field(pattern=r"^[^\n]+$")]


class JobRequest(Section):
    """Resources that one kind of job requests; an empty value or 0 leaves the choice to the site."""

    partition: Name = Field("", description="partition")
    account: Name = Field("", description="account to charge")
    qos: Name = Field("", description="quality of service")
    time: Annotated[str, Field(pattern=r"^(\d+(:\d+){0,2}|\d+-\d+(:\d+){0,2})?$")] = Field(
        "", description="time limit: minutes, hours:minutes:seconds or days-hours"
    )
    memory: Annotated[str, Field(pattern=r"^(\d+[KMGT]?)?$")] = Field("", description="memory per node, such as 4G")
    cpus: Count = Field(1, description="CPU cores per process")
    gpus: Annotated[int, Field(ge=0)] = Field(0, description="GPUs per node")
    nodes: Count = Field(1, description="nodes per job")
    tasks: Count = Field(1, description="processes per node that train one model together, for finetune only")
    constraint: Annotated[str, Field(pattern=r"^[^\n]*$")] = Field("", description="node features that the job needs")
    throttle: Annotated[int, Field(ge=0)] = Field(
        0, description="maximum number of running jobs of an array; 0: no limit"
    )
    modules: list[Module] = Field([], description="environment modules to load")
    container: list[Word] = Field([], description="words before every command, such as apptainer exec image.sif")
    extra: list[Option] = Field([], description="more sbatch options, such as --mail-type=FAIL")

    def time_s(self) -> int:
        """Returns the time limit in seconds; 0 if the site decides."""
        days, dash, rest = self.time.rpartition("-")
        fields = [int(field) for field in rest.split(":")] if rest else [0]
        if dash:
            hours, minutes, seconds = [*fields, 0, 0][:3]
        else:
            hours, minutes, seconds = ([0, *fields, 0] if len(fields) < 3 else fields)[:3]
        return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds


class Slurm(Section):
    """Settings of one Slurm site."""

    cpu: JobRequest = JobRequest()
    gpu: JobRequest = JobRequest()
    train: JobRequest = JobRequest()
    finetune: JobRequest = JobRequest()
    feature_parts: Count = Field(8, description="number of jobs for feature extraction")
    retries: Annotated[int, Field(ge=0, le=20)] = Field(1, description="maximum number of retries of a failed job")
    requeues: Annotated[int, Field(ge=0, le=1000)] = Field(
        20, description="maximum number of requeues of a job that reaches its time limit"
    )
    warning_s: Annotated[int, Field(ge=0, le=65535)] = Field(
        120, description="seconds before the time limit at which a job stops and is requeued; 0 disables it"
    )
    poll_s: Positive = Field(10.0, description="longest pause (s) between two squeue calls")
    late_s: Positive = Field(60.0, description="longest wait (s) for a file written on another node")

    @model_validator(mode="after")
    def _only_finetuning_uses_several_processes(self) -> "Slurm":
        for kind in ("cpu", "gpu", "train"):
            if getattr(self, kind).tasks > 1:
                raise ValueError(f"{kind}.tasks: must be 1; only finetune trains in several processes")
        return self


def load_slurm_config(path: Path) -> Slurm:
    """Loads the settings of a site.

    Raises:
        ConfigError: with one line per fault: file, line, key, value, and the nearest valid key.
    """
    tree, lines, faults = read_yaml(path)
    try:
        config = Slurm.model_validate(tree)
    except ValidationError as error:
        origins = {key: f"{path}:{line}" for key, line in lines.items()}
        faults += [describe_fault(fault, Slurm, origins, str(path)) for fault in error.errors()]
    if faults:
        raise ConfigError("\n  ".join([f"{path} has faults:", *dict.fromkeys(faults)]))
    return config
