"""Makes the stamp of results: everything that scores depend on, so that only comparable results are compared."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ambiser.config import Config
from ambiser.io.choice_file import Tuning
from ambiser.io.corpus_record import CorpusRecord
from ambiser.io.files import digest
from ambiser.io.provenance import git_state, versions

FORMAT = 5
HASH_DIGITS = 12
IMPORTED = "imported"
INPUTS = {"A": "speech", "T": "text", "AT": "speech + text"}
IPR_POLICIES = ("oracle", "precise_kept", "class_shares", "pool")
"""Keys of section `ipr` that the stamp holds as policies, because they change which labels training sees."""
APART = (
    *("corpus", "version", "made_up", "classes", "class_names", "protocol", "dev", "leaks", "folds", "all_folds"),
    *("test_set", "format", "score.ece_bins", "score.levels", "score.positions"),
    *("policies.other_votes", "policies.other_majority", "policies.no_majority", "policies.ties"),
    *("policies.least_raters", "policies.include_self", "policies.multi_label", "policies.secondary_weight"),
    "policies.aggregate",
)
"""Keys of the stamp in which results must agree to be compared."""
NOTED = (
    "policies.precise",
    "policies.ambiguous",
    "policies.smoothing",
    "policies.oracle",
    "policies.pool",
    "policies.precise_kept",
    "policies.class_shares",
    "score.calibration",
    "score.calibration_by",
    "score.interval",
    "score.resamples",
    "commit",
    "software",
)
"""Keys that may differ between compared results, and are then named beside them."""


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """What scores depend on.

    Attributes:
        corpus: its name.
        version: of the corpus, empty where it has none.
        made_up: whether a program made voices and raters.
        classes: the labels of each class.
        class_names: in the order of every array.
        policies: the configuration's section `labels` without the classes; the keys IPR_POLICIES of its section `ipr`
            where they are not the default.
        protocol: how speakers are split.
        dev: which part chooses epochs.
        leaks: what stands in several of training, dev and test part.
        folds: those that were scored.
        all_folds: those of the corpus.
        test_set: from `describe_test_set`.
        score: the configuration's section `score`.
        seed: None for the mean over several and for imported predictions.
        stages: the training stages.
        selection: by stage, the dev score that chose the epoch.
        epochs: by stage, how many were trained at most.
        inputs: what the system hears or reads, with the share of scored utterances that have words unless all have.
        ssl: the speech features; None where there are none.
        text: the text features; None where there are none.
        config_hash: of the resolved configuration.
        commit: of the code.
        software: name, version and format.
        kept: by stage and fold, the epoch that dev chose.
        tuning: the grid and the points that dev chose; None without a grid.
    """

    corpus: str
    version: str
    made_up: bool
    classes: dict[str, list[str]]
    class_names: list[str]
    policies: dict[str, object]
    protocol: str
    dev: str
    leaks: list[str]
    folds: list[int]
    all_folds: list[int]
    test_set: str
    score: dict[str, object]
    seed: int | None
    stages: list[str]
    selection: dict[str, str]
    epochs: dict[str, int]
    inputs: str
    ssl: str | None
    text: str | None
    config_hash: str
    commit: str
    software: str
    kept: dict[str, dict[int, int]]
    tuning: Tuning | None = None

    @property
    def format(self) -> str:
        """The number of the format in `software`: results of equal format are compared, whatever their version."""
        return self.software.rpartition(" ")[2]

    def value(self, dotted: str) -> object:
        """Returns the value of a key as in APART, for example `policies.ties`; None where a section lacks it."""
        name, _, key = dotted.partition(".")
        return getattr(self, name).get(key) if key else getattr(self, name)


def make_stamp(
    config: Config,
    *,
    seed: int | None,
    corpus: CorpusRecord,
    class_names: Iterable[str],
    folds: Iterable[int],
    test_set: str,
    kept: Mapping[str, Mapping[int, int]],
    with_words: float = 1.0,
    chosen: Mapping[int, str] | None = None,
) -> Stamp:
    """Returns the stamp of an experiment.

    Args:
        config: the experiment.
        seed, class_names, folds, test_set, kept: as in `Stamp`.
        corpus: the record of stage 1 (data/corpus.json).
        with_words: share of the scored utterances that have words.
        chosen: by fold, the point of the grid that dev chose.
    """
    labels = config.labels.model_dump(mode="json")
    return Stamp(
        **{key: getattr(corpus, key) for key in ("corpus", "version", "made_up", "protocol", "dev")},
        classes=labels.pop("classes"),
        class_names=list(class_names),
        policies=labels | _ipr_policies(config),
        leaks=sorted(corpus.leaks),
        folds=sorted(folds),
        all_folds=sorted(corpus.folds),
        test_set=test_set,
        score=_scoring(config),
        seed=seed,
        **_training(config, with_words),
        config_hash=config_hash(config),
        commit=git_state(),
        software=f"ambiser {versions()['ambiser']}, format {FORMAT}",
        kept={stage: dict(epochs) for stage, epochs in kept.items()},
        tuning=Tuning(config.tune, dict(chosen or {})) if config.tune else None,
    )


def _scoring(config: Config) -> dict[str, object]:
    """Returns the section `score`, without what calibration fits where there is no calibration."""
    unused = {"calibration_by"} if config.score.calibration == "none" else set()
    return config.score.model_dump(mode="json", exclude=unused)


def _training(config: Config, with_words: float) -> dict[str, object]:
    """Returns the stages, what the system that predicts hears or reads, and the features that training uses."""
    inputs = INPUTS[config.amber.student] if "distill" in config.stages else "speech"
    hears = inputs != "text" or config.amber.heads() != ("T",)
    return {
        "stages": list(config.stages),
        "selection": {stage: getattr(config, stage).select for stage in config.stages},
        "epochs": {
            stage: max(config.tune.get(f"{stage}.epochs", [getattr(config, stage).epochs])) for stage in config.stages
        },
        "inputs": describe_inputs(inputs, with_words),
        "ssl": config.ssl if hears else None,
        "text": config.text if config.needs_text() else None,
    }


def describe_inputs(inputs: str, with_words: float) -> str:
    """Returns the inputs of a system on a corpus where not all utterances have words.

    Args:
        inputs: a value of INPUTS.
        with_words: share of the scored utterances that have words, 0 to 1.
    """
    if inputs == INPUTS["A"] or with_words == 1:
        return inputs
    if with_words == 0:
        return f"{'none' if inputs == INPUTS['T'] else INPUTS['A']} (no utterance has words)"
    return f"{inputs} (words: {100 * with_words:.1f} % of utterances)"


def _ipr_policies(config: Config) -> dict[str, object]:
    """Returns the keys of IPR that change which labels training sees, where they are not the usual ones."""
    if "prototypes" not in config.stages:
        return {}
    usual = type(config.ipr)()
    values = {key: (getattr(config.ipr, key), getattr(usual, key)) for key in IPR_POLICIES}
    return {key: value for key, (value, default) in values.items() if value != default}


def mark_imported(stamp: Stamp, import_hash: str) -> Stamp:
    """Returns the stamp of another toolkit's predictions: the experiment only says how they are scored."""
    none = {"seed": None, "stages": [], "selection": {}, "epochs": {}, "ssl": None, "text": None, "tuning": None}
    policies = {key: value for key, value in stamp.policies.items() if key not in IPR_POLICIES}
    return replace(stamp, inputs=IMPORTED, config_hash=import_hash, policies=policies, **none)


def config_hash(config: Config) -> str:
    """Returns a short hash of the resolved configuration."""
    return digest(json.dumps(config.model_dump(mode="json"), sort_keys=True))[:HASH_DIGITS]


def import_hash(config: Config, path: Path) -> str:
    """Returns a short hash of imported predictions and of how they are scored."""
    return digest(config_hash(config), path.read_bytes())[:HASH_DIGITS]


def describe_test_set(rows: Iterable[tuple[int, str, Iterable[float]]]) -> str:
    """Returns a short hash of what was tested: fold, utterance and vote mass of every scored utterance."""
    lines = sorted(f"{fold}\t{utt}\t{' '.join(f'{count:.6f}' for count in counts)}" for fold, utt, counts in rows)
    return digest("\n".join(lines))[:HASH_DIGITS]


def differing(a: Stamp, b: Stamp, keys: Iterable[str]) -> list[str]:
    """Returns `key: value of a / value of b` for each of the keys in which two stamps differ."""
    return [f"{key}: {show(a.value(key))} / {show(b.value(key))}" for key in keys if a.value(key) != b.value(key)]


def show(value: object) -> str:
    """Returns a value of the stamp as a person writes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == "":
        return "-"
    if isinstance(value, list | tuple):
        return " ".join(show(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {show(item)}" for key, item in value.items())
    return str(value)
