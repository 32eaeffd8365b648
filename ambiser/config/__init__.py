"""Typed configuration: the schema with all defaults, the loader, conf/base.yaml and conf/slurm.yaml."""

from ambiser.config.loader import load_config
from ambiser.config.resolved import differing_keys, dump_yaml, flatten
from ambiser.config.schema import Config
from ambiser.config.yaml_reader import read_yaml

__all__ = ["Config", "differing_keys", "dump_yaml", "flatten", "load_config", "read_yaml"]
