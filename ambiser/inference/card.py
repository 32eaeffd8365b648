"""Renders the model card: README.md with the metadata header that model hubs read."""

from collections.abc import Sequence

import yaml

from ambiser.config import Config
from ambiser.inference.model_folder import ONNX, ModelRecord
from ambiser.io.provenance import versions
from ambiser.scoring.results import Results
from ambiser.scoring.score_names import METRICS

SHOWN = ("accuracy", "ua", "macro_f1", "macro_auroc", "bc", "jsd_bits", "ece", "no_majority_auroc")
"""The scores of the table; all others are in results_N.json."""
_FLOORS = {"uniform": "uniform", "prior": "class prior", "majority": "majority class"}


def render_card(record: ModelRecord, config: Config, results: Sequence[Results]) -> str:
    """Returns the card of a model.

    Args:
        record: of the model.
        config: of its first member.
        results: of each packed experiment, one per seed.
    """
    sections = [
        _header(record, results),
        f"# {record.name}\n",
        _summary(record, results[0]),
        _use(record),
        _data(config, results[0]),
        _scores(results),
        _limits(record, results[0]),
        _files(record),
        _license(record, config),
    ]
    return "\n".join(sections)


def _header(record: ModelRecord, results: Sequence[Results]) -> str:
    first = results[0]
    metrics = [
        {"type": name, "name": METRICS[name].title, "value": first.scores.pooled.scores[name]}
        for name in SHOWN
        if first.scores.pooled.scores[name] is not None
    ]
    dataset = {"name": first.stamp.corpus, "type": first.stamp.corpus}
    task = {"type": "audio-classification", "name": "Speech Emotion Recognition"}
    header = {
        "license": record.license,
        "library_name": "ambiser",
        "pipeline_tag": "audio-classification",
        "tags": ["speech-emotion-recognition", "label-distribution", "disagreement"],
        "datasets": [first.stamp.corpus],
        "model-index": [{"name": record.name, "results": [{"task": task, "dataset": dataset, "metrics": metrics}]}],
    }
    if "/" in record.speech.weights:
        header["base_model"] = record.speech.weights
    return f"---\n{yaml.safe_dump(header, sort_keys=False, allow_unicode=True, width=120)}---\n"


def _summary(record: ModelRecord, first: Results) -> str:
    seeds = sorted({member.seed for member in record.members})
    folds = sorted({member.fold for member in record.members})
    return (
        f"Predicts how raters would distribute their votes over {len(record.classes)} classes "
        f"({', '.join(record.classes)}) when they listen to an utterance. Input: {first.stamp.inputs}. It is the mean "
        f"of {len(record.members)} networks: {_count(len(seeds), 'seed')} on {_count(len(folds), 'fold')}.\n"
    )


def _use(record: ModelRecord) -> str:
    text = ", text" if record.text else ""
    option = " --text TABLE" if record.text else ""
    weights = f"The weights of {record.speech.weights} are fetched by name, or taken from `--upstream FOLDER`.\n"
    return (
        "## Use\n\n"
        f"    ambiser predict FOLDER my.wav{option}\n\n"
        "```python\nimport ambiser\n\n"
        f'model = ambiser.load_model("FOLDER")\nprediction = model.predict(wav, sample_rate_hz{text})\n'
        "prediction.distribution, prediction.entropy_bits\n"
        "prediction.expected_agreement, prediction.no_majority(3)\n```\n"
        + (f"\n{weights}" if record.speech.sha256 else "")
        + "\nIntended for research on perceived emotion and on disagreement between raters. It describes what "
        "listeners would say, not what a speaker feels. Do not use it for decisions about people.\n"
    )


def _data(config: Config, first: Results) -> str:
    stamp, pooled = first.stamp, first.scores.pooled
    # The classes of a stamp are sorted by name; class 'other' has no labels of its own.
    classes = "; ".join(f"{name}: {' '.join(stamp.classes.get(name, ['all others']))}" for name in stamp.class_names)
    version = f" {stamp.version}" if stamp.version else ""
    made_up = " Voices and raters are synthetic: scores say nothing about people." if stamp.made_up else ""
    human = pooled.human
    raters = f"{human.answers / pooled.utterances:.1f} per utterance on average" if human else "anonymous or single"
    shares = ", ".join(
        f"{name} {share:.1%}" for name, share in zip(stamp.class_names, first.scores.per_class.voted_share, strict=True)
    )
    return (
        "## Data and raters\n\n"
        f"* **Corpus**: {stamp.corpus}{version}; {pooled.utterances} scored utterances of {pooled.speakers} speakers."
        f"{made_up}\n"
        f"* **Raters**: {raters}.\n"
        f"* **Classes and their labels**: {classes}. Shares of the votes: {shares}.\n"
        f"* **Split**: {stamp.protocol}, {_count(len(stamp.folds), 'fold')}; epochs chosen on: {stamp.dev}."
        + (f" **Parts share: {', '.join(stamp.leaks)}.**" if stamp.leaks else "")
        + f"\n* **Features**: {config.speech_features.upstream} {config.speech_features.checkpoint}".rstrip()
        + f", {config.speech_features.form}.\n"
        f"* **Training**: {' '.join(stamp.stages)}; configuration {stamp.config_hash}, code {stamp.commit}, "
        f"{stamp.software}.\n"
    )


def render_scores(results: Sequence[Results]) -> str:
    """Returns the table of scores with intervals, single raters and floors, as Markdown."""
    first = results[0].scores.pooled
    human = ["single raters"] if first.human else []
    floors = [name for name in _FLOORS if name in first.floors]
    head = ["score", *(f"seed {of.stamp.seed}" for of in results), *human, *(_FLOORS[name] for name in floors)]
    lines = [head, ["---", *(["---:"] * (len(head) - 1))]]
    for name in SHOWN:
        cells = [f"{METRICS[name].title} {METRICS[name].arrow}"]
        cells += [_with_interval(of, name) for of in results]
        cells += [_number(first.human.scores[name])] if first.human else []
        cells += [_number(first.floors[kind][name]) for kind in floors]
        lines.append(cells)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _scores(results: Sequence[Results]) -> str:
    first, one = results[0].scores.pooled, results[0].scores.bootstrap
    meanings = "\n".join(f"* {METRICS[name].title}: {METRICS[name].meaning}." for name in SHOWN)
    return (
        f"## Scores\n\n{render_scores(results)}\n\n"
        f"Each network on the test speakers of its own fold, {first.utterances} utterances; accuracy, UA, macro-F1, "
        f"AUROC and ECE on the {first.with_reference} with a majority. Brackets: {one.level:.0%} {one.interval} "
        f"intervals, {one.resamples} resamples of the {one.unit}s. Single raters: each rater against the others, a "
        f"reference for a single answer. Floors use no input.\n\n{meanings}\n"
        + "".join(f"\n{sentence}\n" for sentence in render_sets(results[0]))
    )


def render_sets(first: Results) -> list[str]:
    """Returns a sentence on the prediction sets of an experiment; none for one without."""
    if (found := first.scores.sets) is None:
        return []
    pooled = found.by[found.used].pooled
    return [
        f"Prediction sets ({found.form}, calibrated on dev by {found.used} to cover {found.coverage:.0%}) cover "
        f"{pooled.coverage:.1%} of the votes on test and contain {pooled.size:.1f} of {len(first.stamp.class_names)} "
        "classes on average."
    ]


def _limits(record: ModelRecord, first: Results) -> str:
    folds = len({member.fold for member in record.members})
    ensemble = (
        f"\n* The scores are those of single networks. The ensemble of {folds} folds has no test speakers left, since "
        "each speaker is in the training part of some fold; expect similar scores on new speakers recorded in the same "
        "way."
        if folds > 1
        else ""
    )
    return (
        "## Limits\n\n"
        f"* Trained on {first.stamp.corpus} alone: other languages, rooms, microphones, ages and kinds of speech "
        "(acted or spontaneous) are not covered, and scores there will be lower.\n"
        "* Only the listed classes exist for the model; other emotions are forced into them.\n"
        "* Rare classes are predicted worst; see the scores per class in results_1.json."
        + ensemble
        + "\n"
        + "".join(f"* {note}\n" for note in record.notes)
    )


def _files(record: ModelRecord) -> str:
    onnx = (
        " `heads.onnx` maps the features of stage 2 (`speech`, pooled (n, L, D)"
        + (", and `text` (n, Dt)" if record.text else "")
        + ") to `probs` (n, C), the mean of all members."
        if ONNX in record.files
        else ""
    )
    return (
        "## Files\n\n"
        "`model.json` lists all files with their SHA-256, which are checked on loading. `config.yaml` is the resolved "
        f"configuration, `results_*.json` holds all scores with the stamp of what they depend on, `members/` the "
        f"weights (safetensors).{onnx} Packed by {record.software} with Python {versions()['python']}.\n"
    )


def _license(record: ModelRecord, config: Config) -> str:
    encoders = [(record.speech, config.model.encoder), (record.text, config.model.text_encoder)]
    names: dict[str, list[str]] = {"frozen": [], "finetune": []}
    for one, training in encoders:
        if one is not None and one.sha256:
            names[training].append(one.weights)
    lines = ""
    if names["frozen"]:
        lines += f" The encoders ({', '.join(names['frozen'])}) are not included and have their own licenses."
    if names["finetune"]:
        lines += f" `members/` includes fine-tuned weights of {', '.join(names['finetune'])}, whose licenses apply too."
    return f"## License\n\nWeights: {record.license}. The corpus has its own license; see its recipe.{lines}\n"


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def _with_interval(results: Results, name: str) -> str:
    score = results.scores.pooled.score(name)
    if score.interval is None:
        return _number(score.value)
    return f"{_number(score.value)} [{_number(score.interval[0])}, {_number(score.interval[1])}]"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
