"""Typed configuration: the schema with every default, the loader, and the generated conf/base.yaml."""

from ambiser.config.loader import differing_keys, dump_yaml, flatten, load_config, read_yaml
from ambiser.config.schema import Config

__all__ = ["Config", "differing_keys", "dump_yaml", "flatten", "load_config", "read_yaml"]
