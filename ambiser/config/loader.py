"""Builds a configuration from YAML layers and the command line, and reports all its faults at once.

Layers, later ones win: the schema's defaults; conf/ssl/NAME.yaml and conf/text/NAME.yaml; corpus.yaml in the folder
of the experiment; the experiment's `base:`; the experiment; `--ssl`, `--text` and `--set`. An experiment (or a base)
that the recipe's folder does not hold is taken from conf/experiments, which all corpora share. All scalars are read as
text and converted by the declared type, so that `1e-4` is a number and `no` stays a word where a word is expected.
"""

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml
from pydantic import ValidationError

from ambiser.config.data_keys import Section
from ambiser.config.schema import Config
from ambiser.errors import ConfigError

CONF = Path(__file__).resolve().parents[2] / "conf"
_NAMED_LAYERS = {"ssl": "speech_features", "text": "text_features"}


def load_config(
    path: Path, *, ssl: str | None = None, text: str | None = None, overrides: Iterable[str] = ()
) -> Config:
    """Loads an experiment.

    Args:
        path: the experiment's YAML; its folder decides on the corpus, also when the file itself is a shared one.
        ssl: name of the speech features; takes the place of the experiment's `ssl`.
        text: name of the text features; takes the place of the experiment's `text`.
        overrides: `a.b=value` each.

    Raises:
        ConfigError: with one line for every fault: file, line, key, value, and the nearest valid key.
    """
    path = Path(path)
    layers = _Layers()
    corpus = path.parent / "corpus.yaml"
    if corpus.is_file():
        layers.add_file(corpus)
    layers.add_experiment(find_experiment(path))
    for name, value in (("ssl", ssl), ("text", text)):
        if value is not None:
            layers.add({name: value}, {(name,): f"--{name}"})
    for override in overrides:
        layers.add_override(override)
    layers.put_named_layers_below()
    try:
        config = Config.model_validate(layers.tree)
    except ValidationError as error:
        layers.faults += [layers.describe(fault) for fault in error.errors()]
    layers.raise_faults()
    return config


def find_experiment(path: Path) -> Path:
    """Returns the path itself when it is there or no shared experiment has its name, else the shared one."""
    shared = CONF / "experiments" / path.name
    return shared if shared.is_file() and not path.is_file() else path


def read_yaml(path: Path) -> tuple[dict, dict[tuple[str, ...], int], list[str]]:
    """Reads YAML with every scalar as text.

    Returns:
        The tree, the line of every key, and the faults (a key given twice) as lines.

    Raises:
        ConfigError: the file is missing or no YAML mapping.
    """
    try:
        content = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: is not there{_neighbours(path)}") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is no text in UTF-8 (byte {error.start}); is it a YAML file?") from error
    return parse_yaml(content, str(path))


def parse_yaml(content: str, name: str) -> tuple[dict, dict[tuple[str, ...], int], list[str]]:
    """Parses YAML text as `read_yaml` does; `name` stands for the file in errors."""
    try:
        node = yaml.compose(content, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigError(f"{name}{line}: is no valid YAML: {getattr(error, 'problem', error)}") from error
    if node is None:
        return {}, {}, []
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{name}: must hold 'key: value' lines")
    lines: dict[tuple[str, ...], int] = {}
    faults: list[str] = []
    return _plain(node, (), name, lines, faults), lines, faults


def _plain(node: yaml.Node, at: tuple[str, ...], name: str, lines: dict, faults: list[str]) -> object:
    if isinstance(node, yaml.ScalarNode):
        return None if node.tag.endswith(":null") and node.style is None else node.value
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*at, str(i)), name, lines, faults) for i, item in enumerate(node.value)]
    tree = {}
    for key_node, value_node in node.value:
        key = str(key_node.value)
        line = key_node.start_mark.line + 1
        if key in tree:
            faults.append(
                f"{name}:{line}: '{'.'.join((*at, key))}' stands twice (first in line {lines[(*at, key)]}); keep one"
            )
        lines[(*at, key)] = line
        tree[key] = _plain(value_node, (*at, key), name, lines, faults)
    return tree


class _Layers:
    """The layers merged so far, where every key came from, and the faults found on the way."""

    def __init__(self) -> None:
        self.tree: dict = {}
        self.origins: dict[tuple[str, ...], str] = {}
        self.faults: list[str] = []

    def add_file(self, path: Path, below: tuple[str, ...] = ()) -> None:
        tree, lines, faults = read_yaml(path)
        self.faults += faults
        for key in reversed(below):
            tree = {key: tree}
        self.add(tree, {(*below, *key): f"{path}:{line}" for key, line in lines.items()})

    def add_experiment(self, path: Path) -> None:
        tree, _, _ = read_yaml(path)
        base = tree.pop("base", None)
        if base is not None:
            base_path = find_experiment(path.parent / str(base))
            if "base" in read_yaml(base_path)[0]:
                self.faults.append(
                    f"{base_path}: is the base of {path.name} and has a base itself; one level is the limit"
                )
            self.add_file(base_path)
        self.add_file(path)
        self.tree.pop("base", None)

    def add_override(self, override: str) -> None:
        dotted, equals, value = override.partition("=")
        keys = tuple(dotted.strip().split("."))
        if not equals or not all(keys):
            self.faults.append(f"--set {override}: must look like key=value, for example --set ipr.temperature=0.1")
            return
        tree: object = parse_yaml(f"v: {value}", f"--set {override}")[0]["v"]
        for key in reversed(keys):
            tree = {key: tree}
        self.add(tree, {keys[: i + 1]: f"--set {override}" for i in range(len(keys))})

    def add(self, tree: Mapping, origins: Mapping[tuple[str, ...], str]) -> None:
        self.tree = _merge(self.tree, tree, Config)
        self.origins |= origins

    def put_named_layers_below(self) -> None:
        """Loads conf/ssl/NAME.yaml and conf/text/NAME.yaml under what the experiment says of the same keys."""
        above, origins = self.tree, self.origins
        self.tree, self.origins = {}, {}
        for folder, section in _NAMED_LAYERS.items():
            name = str(above.get(folder, Config.model_fields[folder].default))
            path = CONF / folder / f"{name}.yaml"
            if path.is_file():
                self.add_file(path, below=(section,))
            elif folder == "ssl" and name.isidentifier():
                self.add({section: {"upstream": name}}, {})
            else:
                known = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml")))
                where = origins.get((folder,), "default")
                self.faults.append(f"{where}: {folder}: there is no {path.name} in conf/{folder}; there are {known}")
        self.add(above, origins)

    def describe(self, fault: dict) -> str:
        keys = tuple(str(key) for key in fault["loc"])
        where, named = "", keys
        while named and named not in self.origins:
            named = named[:-1]
        where = self.origins.get(named, "defaults")
        dotted = ".".join(_known_part(keys))
        if fault["type"] == "extra_forbidden":
            return f"{where}: unknown key '{dotted}'{_nearest(keys)}"
        message = fault["msg"].removeprefix("Value error, ").replace("Input should", "should")
        if fault["type"] == "value_error":
            return f"{where}: {dotted + ': ' if dotted else ''}{message}"
        return f"{where}: {dotted}: {message}, got {str(fault['input'])!r}"

    def raise_faults(self) -> None:
        if self.faults:
            raise ConfigError("\n  ".join(["the configuration has faults:", *dict.fromkeys(self.faults)]))


def _merge(below: object, above: object, schema: type | None) -> object:
    """Merges section by section; a value that is no section (a list, the classes) is replaced as a whole."""
    if not (isinstance(below, Mapping) and isinstance(above, Mapping) and _is_section(schema)):
        return above
    merged = dict(below)
    for key, value in above.items():
        field = schema.model_fields.get(key)
        merged[key] = _merge(merged.get(key), value, field.annotation if field else None)
    return merged


def _is_section(schema: object) -> bool:
    return isinstance(schema, type) and issubclass(schema, Section)


def _known_part(keys: tuple[str, ...]) -> tuple[str, ...]:
    """Cuts what pydantic adds to a location inside a union ('literal[...]', 'constrained-float')."""
    return tuple(key for key in keys if "[" not in key and key not in ("constrained-float", "float", "constrained-int"))


def _nearest(keys: tuple[str, ...]) -> str:
    schema: type = Config
    for key in keys[:-1]:
        field = schema.model_fields.get(key) if _is_section(schema) else None
        if field is None:
            return ""
        schema = field.annotation
    siblings = list(schema.model_fields) if _is_section(schema) else []
    near = difflib.get_close_matches(keys[-1], siblings, n=1, cutoff=0.5)
    if near:
        return f"; did you mean '{'.'.join((*keys[:-1], near[0]))}'?"
    everywhere = {key.rpartition(".")[2]: key for key in flatten(Config().model_dump(mode="json"))}
    near = difflib.get_close_matches(keys[-1], everywhere, n=1, cutoff=0.7)
    return f"; did you mean '{everywhere[near[0]]}'?" if near else f"; valid here: {', '.join(siblings)}"


def _neighbours(path: Path) -> str:
    folders = (Path(path).parent, CONF / "experiments")
    names = sorted({p.name for folder in folders for p in folder.glob("*.yaml")} - {"corpus.yaml"})
    near = difflib.get_close_matches(Path(path).name, names, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else (f"; there are {', '.join(names)}" if names else "")


def flatten(tree: Mapping, prefix: str = "") -> dict[str, object]:
    """Turns nested sections into `a.b` keys; lists and the classes stay values."""
    flat: dict[str, object] = {}
    for key, value in tree.items():
        dotted = f"{prefix}{key}"
        if isinstance(value, Mapping) and dotted != "labels.classes":
            flat |= flatten(value, f"{dotted}.")
        else:
            flat[dotted] = value
    return flat


def differing_keys(old: Mapping, new: Mapping) -> list[str]:
    """Returns a line 'key: old value -> new value' for every key in which two resolved configurations differ."""
    before, after = flatten(old), flatten(new)
    lines = []
    for key in sorted(before.keys() | after.keys()):
        was, now = before.get(key, "(not set)"), after.get(key, "(not set)")
        if was != now:
            lines.append(f"{key}: {was} -> {now}")
    return lines


def dump_yaml(tree: Mapping) -> str:
    """Returns the YAML text of a resolved configuration, in the order of the schema."""
    return yaml.safe_dump(dict(tree), sort_keys=False, allow_unicode=True, width=120)
