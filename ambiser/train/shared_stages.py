"""Trains no stage twice: finds an equal stage of another experiment, and links its files.

Two stages are equal when everything that shaped them is: the stage before, data, features, seed, fold, code, device,
and every key of the configuration that training read (`config/reads.py` records them). Each finished stage has a record
in EXP/shared, which lists these keys and the digests of its files; without the records, stages are trained again.
Stages that fine-tune an encoder are not shared: they read audio and weights, which records do not cover.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from ambiser.config import Config
from ambiser.config.reads import reads_the_same
from ambiser.errors import DataError
from ambiser.io.console import log
from ambiser.io.files import atomic_open, digest, read_json, write_text
from ambiser.io.layout import Layout, require
from ambiser.train.build import part_sources

_CODE = ("config", "io", "labels", "losses", "models", "features", "train")
"""The rooms of the package that can change the bytes of a training."""
_LAST = "best.safetensors"


class SharedStages:
    """The records of the stages that agree with one in all but the configuration."""

    def __init__(
        self, config: Config, layout: Layout, folder: Path, *, stage: str, seed: int, fold: int, before: Path | None
    ) -> None:
        """Collects what shapes a stage.

        Args:
            config: what the stage works with (see `stage_config`).
            layout: the folders of the recipe.
            folder: of the stage.
            stage, seed, fold: which stage it is.
            before: the file of the stage before, if the experiment has one.
        """
        parts = ("train", "dev", "pool") if config.ipr.pool else ("train", "dev")
        lists = [layout.fold_list(fold, part) for part in parts]
        files = [require(path, "prepare") for path in (*lists, layout.table("votes.tsv"))]
        contents = [path.read_bytes() for path in (*files, *([] if before is None else [before]))]
        machine = (config.train.device, torch.cuda.is_available(), torch.backends.cpu.get_cpu_capability())
        facts = [stage, seed, fold, torch.__version__, np.__version__, *machine, *_features(config, layout)]
        self._records = layout.shared_stages(stage) / digest(*map(str, facts), *contents, *_code())[:16]
        self._config, self._exp_dir, self._folder = config, layout.exp_dir, folder

    def reuse(self) -> bool:
        """Links the files of an equal stage into the folder of this one; returns whether there was one."""
        for path in sorted(self._records.glob("*.json")):
            with contextlib.suppress(DataError, OSError, KeyError, TypeError):  # a record that is no use
                record = read_json(path)
                other = self._exp_dir / record["folder"]
                if other == self._folder or not reads_the_same(self._config, record["read"]):
                    continue
                if _digests(other) != record["files"]:  # removed, or changed by someone
                    continue
                _link(other, self._folder)
                self.record(record["read"])
                log.info(f"the same training as {record['folder']}: its files are linked")
                return True
        return False

    def record(self, read: dict[str, object]) -> None:
        """Records this finished stage.

        Args:
            read: the keys of the configuration that training read, with their values.
        """
        folder = os.path.relpath(self._folder, self._exp_dir)
        record = {"folder": folder, "files": _digests(self._folder), "read": dict(sorted(read.items()))}
        # Not `write_json`: it sorts, and the order of `labels.classes` counts.
        write_text(self._records / f"{digest(folder)[:16]}.json", json.dumps(record, indent=2) + "\n")


def _features(config: Config, layout: Layout) -> Iterator[tuple]:
    """Returns name, size and time of every file of features that training reads."""
    sources = part_sources(config, layout)
    for scp in (sources.speech, sources.text, sources.tokens):
        for path in sorted(require(scp, "extract").parent.rglob("*")) if scp is not None else ():
            if path.suffix in (".ark", ".scp"):
                state = path.stat()
                yield path.relative_to(layout.dump_dir), state.st_size, state.st_mtime_ns


def _code() -> Iterator[bytes]:
    package = Path(__file__).resolve().parents[1]
    for room in _CODE:
        for path in sorted((package / room).rglob("*.py")):
            yield path.read_bytes()


def _digests(folder: Path) -> dict[str, str]:
    return {name: digest((folder / name).read_bytes()) for name in (_LAST, "metrics.jsonl")}


def _link(source: Path, target: Path) -> None:
    """Links all files of a stage, the last one last, in place of what a killed training left; copies without links."""
    names = [path.relative_to(source) for path in sorted(source.rglob("*")) if path.is_file()]
    shutil.rmtree(target, ignore_errors=True)
    for name in sorted(names, key=lambda name: name == Path(_LAST)):
        if name.name == "last.pt" or name.name.startswith("."):
            continue
        final = target / name
        final.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source / name, final)
        except OSError:
            with atomic_open(final, "wb") as stream:
                stream.write((source / name).read_bytes())
