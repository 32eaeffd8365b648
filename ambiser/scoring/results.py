"""results.json: the scores of one experiment with one seed, stamped with everything that they depend on."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from ambiser.config import Config, differing_keys
from ambiser.errors import ConfigError, DataError
from ambiser.io.corpus_record import CorpusRecord, read_record
from ambiser.io.files import digest, read_json
from ambiser.io.provenance import git_state, versions

FORMAT = 4
HASH_DIGITS = 12
IMPORTED = "imported"
INPUTS = {"A": "speech", "T": "text", "AT": "speech + text"}
_KEYS = ("format", "tag", "name", "stamp", "left_out", "scores")

Results = dict[str, object]


def build_results(
    *,
    config: Config,
    name: str,
    tag: str,
    seed: int | None,
    corpus: CorpusRecord,
    class_names: Iterable[str],
    folds: Iterable[int],
    test_set: str,
    left_out: Mapping[str, Mapping[str, int]],
    scores: Mapping[str, object],
    kept: Mapping[str, Mapping[int, int]] | None = None,
    calibration: Mapping[str, object] | None = None,
    imported: Path | None = None,
) -> Results:
    """Puts together what results.json holds.

    Args:
        config: the experiment.
        name: the experiment without its seed; results that share it are averaged over seeds.
        tag: the experiment with its seed.
        seed: the seed; none for the mean over several.
        corpus: the record of stage 1 (data/corpus.json).
        class_names: in the order of every array.
        folds: those that were scored.
        test_set: from `describe_test_set`.
        left_out: how many utterances are missing, by where they were left out and why.
        scores: from `ambiser.scoring.evaluation.evaluate`.
        kept: by stage and fold, the epoch that dev chose.
        calibration: what was fitted, and the pooled scores before it.
        imported: the file, when another toolkit made the predictions; the configuration then says how they are scored.
    """
    stamp = make_stamp(config, seed=seed, corpus=corpus, class_names=class_names, folds=folds, test_set=test_set)
    stamp["kept"] = {stage: {str(fold): epoch for fold, epoch in one.items()} for stage, one in (kept or {}).items()}
    if imported is not None:
        none = {"stages": [], "selection": {}, "epochs": {}, "ssl": None, "text": None}
        stamp |= {"inputs": IMPORTED, "seed": None} | none
        stamp["config_hash"] = import_hash(config, imported)
    return {
        "format": FORMAT,
        "tag": tag,
        "name": name,
        "stamp": stamp,
        "left_out": {where: dict(sorted(counts.items())) for where, counts in left_out.items()},
        "scores": dict(scores),
    } | ({} if calibration is None else {"calibration": dict(calibration)})


def make_stamp(
    config: Config,
    *,
    seed: int | None,
    corpus: CorpusRecord,
    class_names: Iterable[str],
    folds: Iterable[int],
    test_set: str,
) -> dict[str, object]:
    """Returns what a results line must carry so that it can be compared (methods.md, protocols)."""
    labels = config.labels.model_dump(mode="json")
    inputs = INPUTS[config.amber.student] if "distill" in config.stages else "speech"
    hears = inputs != "text" or config.amber.heads() != ("T",)
    return {
        "corpus": corpus.corpus,
        "version": corpus.version,
        "made_up": corpus.made_up,
        "classes": labels.pop("classes"),
        "class_names": list(class_names),
        "policies": labels,
        "protocol": corpus.protocol,
        "dev": corpus.dev,
        "leaks": sorted(corpus.leaks),
        "folds": sorted(folds),
        "all_folds": sorted(corpus.folds),
        "test_set": test_set,
        "score": config.score.model_dump(mode="json"),
        "seed": seed,
        "stages": list(config.stages),
        "selection": {stage: getattr(config, stage).select for stage in config.stages},
        "epochs": {stage: getattr(config, stage).epochs for stage in config.stages},
        "inputs": inputs,
        "ssl": config.ssl if hears else None,
        "text": config.text if config.needs_text() else None,
        "config_hash": config_hash(config),
        "commit": git_state(),
        "software": f"ambiser {versions()['ambiser']}, format {FORMAT}",
    }


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


def count_reasons(reasons: Iterable[str]) -> dict[str, int]:
    """Returns how often each reason stands, sorted by reason."""
    return dict(sorted(Counter(reasons).items()))


def read_results(path: Path) -> Results:
    """Reads a results.json.

    Raises:
        DataError: it is no results file, or was written by another version of this program.
    """
    results = read_json(path)
    missing = [key for key in _KEYS if key not in results] if isinstance(results, dict) else list(_KEYS)
    if missing:
        raise DataError(f"{path}: is no results file, it lacks {', '.join(missing)}; remove it and run stage 7 again")
    if results["format"] != FORMAT:
        raise DataError(
            f"{path}: has format {results['format']}, this program writes {FORMAT}; remove it and run stage 7 again"
        )
    return results


def choose_folds(record: Path, config: Config, wanted: Iterable[int]) -> list[int]:
    """Returns the wanted folds, or all when none is wanted.

    Args:
        record: data/corpus.json.
        config: the experiment.
        wanted: numbers of folds.

    Raises:
        ConfigError: a fold is named twice, stage 1 did not make it, or it was run with another configuration.
    """
    corpus = read_record(record)
    lines = differing_keys({"data": corpus.data}, {"data": config.data.model_dump(mode="json")})
    if lines:
        remedy = "use another --data_dir"
        raise ConfigError("\n  ".join([f"{record} was made with another configuration; {remedy}:", *lines]))
    wanted = sorted(wanted)
    for fold in wanted:
        if wanted.count(fold) > 1:
            raise ConfigError(f"--folds {_blanks(wanted)}: fold {fold} stands twice; name each fold once")
        if fold not in corpus.folds:
            raise ConfigError(f"--folds {fold}: there is no such fold; {record} has {_blanks(corpus.folds)}")
    return wanted or sorted(corpus.folds)


def is_current(path: Path, *, expected_hash: str, folds: list[int], sources: Iterable[Path]) -> bool:
    """Whether results.json is there, of this format, these folds and this configuration, and no source is newer."""
    if not path.is_file() or any(is_newer(source, path) for source in sources):
        return False
    results = read_json(path)
    if not isinstance(results, dict) or results.get("format") != FORMAT:
        return False  # an older version wrote it: it is made anew
    stamp = read_results(path)["stamp"]
    return stamp["folds"] == folds and stamp["config_hash"] == expected_hash


def is_newer(a: Path, b: Path) -> bool:
    """Whether file a is there and was written after file b."""
    return a.is_file() and a.stat().st_mtime_ns > b.stat().st_mtime_ns


def _blanks(values: Iterable[object]) -> str:
    return " ".join(map(str, values))
