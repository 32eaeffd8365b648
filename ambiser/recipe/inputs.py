"""Finds the sets of speech and text features that experiments need, each once, and claims their folders."""

from collections.abc import Mapping
from pathlib import Path

from ambiser.config import dump_yaml
from ambiser.config.schema import TextFeatures
from ambiser.errors import DataError
from ambiser.io.console import log
from ambiser.io.layout import Layout, require
from ambiser.io.tables import read_table
from ambiser.recipe.experiments import Experiment, claim_folder


def unfinished_speech(experiments: list[Experiment]) -> list[Experiment]:
    """Claims the folders of all speech features, and returns one experiment per unfinished folder."""
    from ambiser.features.extraction.speech import describe_speech

    for experiment in experiments:
        if not experiment.config.cached()[0]:
            log.info("%s trains its speech encoder from the waveforms: needs no speech features", experiment.tag)
    wavs = {utt: Path(wav) for utt, wav in wav_paths(experiments[0].layout).items()}
    distinct = _distinct([e for e in experiments if e.config.cached()[0]], "ssl", "speech_features")
    return [e for e in distinct if not _is_done(speech_dir(e), describe_speech(e.config.speech_features), wavs)]


def unfinished_text(experiments: list[Experiment]) -> list[Experiment]:
    """Claims the folders of all text features, and returns one experiment per unfinished folder."""
    from ambiser.features.extraction.text import describe_text

    for experiment in experiments:
        if experiment.config.needs_text() and not experiment.config.cached()[1]:
            log.info("%s trains its text encoder from the transcripts: needs no text features", experiment.tag)
    left = []
    for experiment in _distinct([e for e in experiments if e.config.cached()[1]], "text", "text_features"):
        text = experiment.config.text_features
        if not _is_done(experiment.text_dir(), describe_text(text), transcripts(experiment.layout, text)):
            left.append(experiment)
    return left


def speech_dir(experiment: Experiment) -> Path:
    """Returns the folder of an experiment's speech features."""
    features = experiment.config.speech_features
    return experiment.layout.speech_dir(experiment.config.ssl, features.form, features.storage, features.prosody)


def wav_paths(layout: Layout) -> dict[str, str]:
    """Returns the path of every utterance's audio."""
    require(layout.corpus_record(), "prepare")
    return read_table(require(layout.table("wav.scp"), "prepare"))


def transcripts(layout: Layout, text: TextFeatures) -> dict[str, str]:
    """Returns the words of every utterance (possibly none), from the corpus or from the user's own table.

    Raises:
        DataError: the table is missing, or names no utterance of the corpus.
    """
    own = Path(text.transcripts)
    path = own if text.transcripts else require(layout.table("text"), "prepare")
    table = read_table(path, allow_empty_value=True)
    wavs = wav_paths(layout)
    if text.transcripts and not table.keys() & wavs.keys():
        raise DataError(f"{own}: names no utterance of {layout.table('wav.scp')}; its lines must be 'utt words'")
    return {utt: table.get(utt, "") for utt in wavs}


def _distinct(experiments: list[Experiment], *keys: str) -> list[Experiment]:
    """Keeps one of the experiments with equal values of the keys."""
    return list({dump_yaml(e.config.model_dump(mode="json", include=set(keys))): e for e in experiments}.values())


def _is_done(folder: Path, description: dict, sources: Mapping[str, Path | str]) -> bool:
    """Claims the folder for these features and tells whether it has the features of all utterances.

    Raises:
        ConfigError: the folder belongs to other settings; the message names every differing key.
        DataError: audio or words have changed since the features were extracted.
    """
    from ambiser.features.extraction.shards import are_finished, compare_sources

    remedy = f"remove {folder}, use another --dump_dir, or put these settings in a YAML with another name"
    claim_folder(folder, description, remedy)
    if not are_finished(folder):
        return False
    missing, changed = compare_sources(folder, sources)
    if changed:
        last = folder / "feats.scp"
        raise DataError(
            f"{folder}: {len(changed)} utterances have changed since stage 2, such as "
            f"{changed[0]} ({sources[changed[0]]}); restore them, or remove {last} and run stage 2 again to "
            "extract their shards anew; models in --exp_dir were trained on the old features"
        )
    if not missing:
        log.info("%s: features exist already", folder)
    return not missing
