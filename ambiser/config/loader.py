"""Merges the layers of a configuration, validates the result and reports all faults at once.

Layers, later ones win:

1. the defaults of the schema;
2. conf/ssl/NAME.yaml and conf/text/NAME.yaml;
3. corpus.yaml in the experiment's folder;
4. the experiment's `base:`;
5. the experiment;
6. `--ssl`, `--text`, `--set` and `--tune`.

An experiment or base that is not in the recipe's folder is read from conf/experiments, which all recipes share. All
scalars are read as text and converted by the declared type: `1e-4` becomes a number, and `no` stays a word where the
schema expects one.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import ValidationError

from ambiser.config.faults import describe_fault, is_section
from ambiser.config.grid import check_grid, read_grid
from ambiser.config.schema import Config
from ambiser.config.yaml_reader import CONF, parse_yaml, read_yaml
from ambiser.errors import ConfigError

EXPERIMENTS = CONF / "experiments"
_NAMED_LAYERS = {"ssl": "speech_features", "text": "text_features"}
"""Folder in conf/ (and key that names a file in it) -> section that the file fills."""


def load_config(
    path: Path,
    *,
    ssl: str | None = None,
    text: str | None = None,
    overrides: Iterable[str] = (),
    tune: Iterable[str] = (),
) -> Config:
    """Loads an experiment.

    Args:
        path: the experiment's YAML. Its folder selects the corpus, even if the file is a shared one.
        ssl: name of the speech features; overrides the experiment's `ssl`.
        text: name of the text features; overrides the experiment's `text`.
        overrides: `a.b=value` each.
        tune: `a.b=value,value` each; replaces the grid of the files.

    Raises:
        ConfigError: with one line per fault: file, line, key, value, and the nearest valid key.
    """
    path, layers = Path(path), _Layers()
    if (corpus := path.parent / "corpus.yaml").is_file():
        layers.add_file(corpus)
    layers.add_experiment(find_experiment(path))
    for name, value in {"ssl": ssl, "text": text}.items():
        if value is not None:
            layers.add({name: value}, {(name,): f"--{name}"})
    for override in overrides:
        layers.add_override(override)
    layers.add_grid(tune)
    # Last, because only now the names of the features are known; they go below all other layers.
    layers.insert_named_layers()
    try:
        config, faults = check_grid(Config.model_validate(layers.tree), layers.origins)
        layers.faults += faults
    except ValidationError as error:
        layers.faults += [describe_fault(fault, Config, layers.origins, "defaults") for fault in error.errors()]
    layers.raise_faults()
    return config


def find_experiment(path: Path) -> Path:
    """Returns the path, or the shared experiment of the same name if only that exists."""
    shared = EXPERIMENTS / path.name
    return shared if shared.is_file() and not path.is_file() else path


class _Layers:
    """The layers merged so far.

    Attributes:
        tree: the merged keys and values.
        origins: where each key was given last, such as "FILE:LINE".
        faults: one line per fault found while reading.
    """

    def __init__(self) -> None:
        self.tree: dict = {}
        self.origins: dict[tuple[str, ...], str] = {}
        self.faults: list[str] = []

    def add_file(self, path: Path, section: str | None = None) -> None:
        """Adds a file, as a whole configuration or as one section of it."""
        tree, lines, faults = read_yaml(path, EXPERIMENTS)
        self.faults += faults
        above = (section,) if section else ()
        self.add(
            {section: tree} if section else tree, {(*above, *key): f"{path}:{line}" for key, line in lines.items()}
        )

    def add_experiment(self, path: Path) -> None:
        """Adds an experiment, after its base if it has one.

        A base of the file's own name is the shared experiment of that name.
        """
        tree, _, _ = read_yaml(path, EXPERIMENTS)
        base = tree.get("base")
        if base is not None:
            named = path.parent / str(base)
            base_path = EXPERIMENTS / named.name if named == path else find_experiment(named)
            if "base" in read_yaml(base_path, EXPERIMENTS)[0]:
                self.faults.append(f"{base_path}: is the base of {path.name} and has a base; only one level is allowed")
            self.add_file(base_path)
        self.add_file(path)
        self.tree.pop("base", None)

    def add_override(self, override: str) -> None:
        """Adds the value of `--set KEY=VALUE`."""
        dotted, equals, value = override.partition("=")
        keys = tuple(dotted.strip().split("."))
        if not equals or not all(keys):
            self.faults.append(f"--set {override}: must look like key=value, for example --set ipr.temperature=0.1")
            return
        tree: object = parse_yaml(f"v: {value}", f"--set {override}")[0]["v"]
        for key in reversed(keys):
            tree = {key: tree}
        self.add(tree, {keys[: i + 1]: f"--set {override}" for i in range(len(keys))})

    def add_grid(self, words: Iterable[str]) -> None:
        """Adds the grid of `--tune`, in place of that of the files."""
        grid, origins, faults = read_grid(words)
        self.faults += faults
        if grid:
            self.add({"tune": grid}, {("tune",): "--tune"} | {("tune", key): where for key, where in origins.items()})

    def add(self, tree: Mapping, origins: Mapping[tuple[str, ...], str]) -> None:
        """Merges a tree over the layers so far."""
        self.tree = _merge(self.tree, tree, Config)
        self.origins |= origins

    def insert_named_layers(self) -> None:
        """Inserts conf/ssl/NAME.yaml and conf/text/NAME.yaml below all other layers."""
        above, origins = self.tree, self.origins
        self.tree, self.origins = {}, {}
        for folder, section in _NAMED_LAYERS.items():
            name = str(above.get(folder, Config.model_fields[folder].default))
            known = {path.stem: path for path in sorted((CONF / folder).glob("*.yaml"))}
            if name in known:
                self.add_file(known[name], section)
            elif folder == "ssl" and name.isidentifier():
                self.add({section: {"upstream": name}}, {})  # an upstream of s3prl; stage 0 checks that it exists
            else:
                key = "speech_features.checkpoint" if folder == "ssl" else "text_features.model"
                hint = f"; for a folder with weights, add --set {key}=FOLDER" if "/" in name else ""
                where = origins.get((folder,), "default")
                self.faults.append(
                    f"{where}: {folder}: conf/{folder} has no {name}.yaml; available: {', '.join(known)}{hint}"
                )
        self.add(above, origins)

    def raise_faults(self) -> None:
        """Raises one ConfigError with all faults, if there are any."""
        if self.faults:
            raise ConfigError("\n  ".join(["the configuration has faults:", *dict.fromkeys(self.faults)]))


def _merge(below: object, above: object, schema: type | None) -> object:
    """Merges section by section; a value that is not a section (a list, the classes) is replaced as a whole."""
    if not (isinstance(below, Mapping) and isinstance(above, Mapping) and is_section(schema)):
        return above
    merged = dict(below)
    for key, value in above.items():
        field = schema.model_fields.get(key)
        merged[key] = _merge(merged.get(key), value, field.annotation if field else None)
    return merged
