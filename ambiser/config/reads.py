"""Records which keys of a configuration a computation reads, to know later whether another one would do the same."""

import inspect
import json
from types import FunctionType, MethodType

from ambiser.config.schema import Config
from ambiser.config.section import Section


def watch(config: Config) -> tuple[Config, dict[str, object]]:
    """Returns a stand-in for a configuration, and a record of the keys that are read from it, with their values.

    The stand-in has the attributes and methods of the configuration. Something that is not one key, such as a dump or a
    comparison, counts as reading all keys of its section.
    """
    read: dict[str, object] = {}
    return _Watched(config, "", read), read


def reads_the_same(config: Config, read: dict[str, object]) -> bool:
    """Whether a configuration has the recorded values, so that the same computation would read the same.

    Mappings are compared with their order: that of `labels.classes` is the order of the classes.
    """
    for key, value in read.items():
        mine: object = config
        for name in key.split("."):
            mine = getattr(mine, name, None)
        if json.dumps(mine) != json.dumps(value):
            return False
    return True


class _Watched:
    """Stands for a section."""

    def __init__(self, section: Section, prefix: str, read: dict[str, object]) -> None:
        self._section, self._prefix, self._read = section, prefix, read

    def __getattr__(self, name: str) -> object:
        kind = type(self._section)
        if name in kind.model_fields:
            return self._note(name)
        member = None if hasattr(Section, name) else inspect.getattr_static(kind, name, None)
        if isinstance(member, FunctionType):
            return MethodType(member, self)
        if isinstance(member, property):
            return member.fget(self)
        self._note_all()
        return getattr(self._section, name)

    def __eq__(self, other: object) -> bool:
        self._note_all()
        return self._section == (other._section if isinstance(other, _Watched) else other)

    def __hash__(self) -> int:
        self._note_all()
        return hash(self._section)

    def _note(self, name: str) -> object:
        value = getattr(self._section, name)
        if isinstance(value, Section):
            return _Watched(value, f"{self._prefix}{name}.", self._read)
        self._read[f"{self._prefix}{name}"] = value
        return value

    def _note_all(self) -> None:
        for name in type(self._section).model_fields:
            value = self._note(name)
            if isinstance(value, _Watched):
                value._note_all()
