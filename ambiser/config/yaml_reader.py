"""Reads YAML with every scalar as text and the line of every key, so that errors can name the line.

Aliases and deep nesting are refused: a few lines of them would take all memory.
"""

import difflib
from pathlib import Path

import yaml

from ambiser.errors import ConfigError


def find_conf(package: Path, current: Path) -> Path:
    """Returns the folder conf of the checkout that holds the package, or else (installed) that of a recipe's folder.

    Args:
        package: the folder `ambiser`.
        current: the current folder; egs/NAME for programs of a recipe.
    """
    beside = package.parent / "conf"
    return beside if (beside / "base.yaml").is_file() else (current / ".." / ".." / "conf").resolve()


CONF = find_conf(Path(__file__).resolve().parents[1], Path.cwd())
"""The folder of the YAML files that all recipes share."""
Lines = dict[tuple[str, ...], int]
_MOST_BYTES = 2**20  # PyYAML needs several hundred bytes of memory per byte
_DEEPEST = 50  # the schema has three levels


def read_yaml(path: Path, shared: Path | None = None) -> tuple[dict, Lines, list[str]]:
    """Reads a YAML file.

    Args:
        path: the file.
        shared: another folder whose files are suggested when the file is missing.

    Returns:
        The tree, the line of every key, and one message per key that is given twice.

    Raises:
        ConfigError: the file is missing or is not a YAML mapping.
    """
    try:
        content = _read_bytes(Path(path)).decode("utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: does not exist{_suggest(Path(path), shared)}") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text (byte {error.start}); is it a YAML file?") from error
    return parse_yaml(content, str(path))


def parse_yaml(content: str, name: str) -> tuple[dict, Lines, list[str]]:
    """Parses YAML text as `read_yaml` does; errors give `name` as the file."""
    try:
        # compose() makes nodes and stops there: no value is converted, and no Python object is made.
        node = yaml.compose(content, Loader=_Loader)
    except yaml.reader.ReaderError as error:
        line = content.count("\n", 0, error.position) + 1
        raise ConfigError(f"{name}:{line}: is not valid YAML: the character {chr(error.character)!r}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigError(f"{name}{line}: is not valid YAML: {error.problem or error.context}") from error
    if node is None:
        return {}, {}, []
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{name}: must hold 'key: value' lines")
    lines: Lines = {}
    faults: list[str] = []
    return _tree(node, (), name, lines, faults), lines, faults


def _read_bytes(path: Path) -> bytes:
    if path.exists() and not (path.is_file() or path.is_dir()):  # a pipe or a device would never end
        raise ConfigError(f"{path}: is not a regular file")
    with open(path, "rb") as stream:
        content = stream.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ConfigError(f"{path}: has more than {_MOST_BYTES} bytes; is it a YAML file?")
    return content


class _Loader(yaml.SafeLoader):
    """Composes nodes; raises ComposerError at an alias and at the first level that is too deep."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node:
        """Composes the next node and those below it."""
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            problem = f"the alias *{event.anchor}; write the value again in its place"
            raise yaml.composer.ComposerError(None, None, problem, event.start_mark)
        if self.depth >= _DEEPEST:
            problem = f"more than {_DEEPEST} levels"
            raise yaml.composer.ComposerError(None, None, problem, self.peek_event().start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _tree(node: yaml.Node, at: tuple[str, ...], name: str, lines: Lines, faults: list[str]) -> object:
    """Turns a node at the keys `at` into mappings, lists and text, and fills `lines` and `faults`."""
    if isinstance(node, yaml.ScalarNode):
        return None if node.tag.endswith(":null") and node.style is None else node.value
    if isinstance(node, yaml.SequenceNode):
        return [_tree(item, (*at, str(i)), name, lines, faults) for i, item in enumerate(node.value)]
    tree = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            faults.append(f"{name}:{line}: a key must be text, not a list or a mapping")
            continue
        key = key_node.value
        if key in tree:
            faults.append(
                f"{name}:{line}: '{'.'.join((*at, key))}' appears twice (first in line {lines[(*at, key)]}); keep one"
            )
        lines[(*at, key)] = line
        tree[key] = _tree(value_node, (*at, key), name, lines, faults)
    return tree


def _suggest(path: Path, shared: Path | None) -> str:
    folders = (path.parent, shared) if shared else (path.parent,)
    names = sorted({p.name for folder in folders for p in folder.glob("*.yaml")} - {"corpus.yaml"})
    near = difflib.get_close_matches(path.name, names, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else (f"; available: {', '.join(names)}" if names else "")
