"""Merging layers, converting values, and reporting all faults at once."""

import pytest

from ambiser.config import load_config
from ambiser.config.resolved import dump_yaml
from ambiser.config.schema import Config
from ambiser.errors import ConfigError
from ambiser.stages import TRAINING_STAGES


def _write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_values_are_converted_to_the_declared_type(tmp_path):
    path = _write(
        tmp_path / "x.yaml",
        "distill: {learning_rate: 1e-4, epochs: 07}\ndata: {version: 1.10, allow_incomplete: no}\n"
        "labels: {precise: 0.8}\n",
    )
    config = load_config(path)
    assert config.distill.learning_rate == 1e-4
    assert config.distill.epochs == 7
    assert config.data.version == "1.10"
    assert config.data.allow_incomplete is False
    assert config.labels.precise == 0.8


def test_later_layers_override_earlier_ones(tmp_path):
    _write(tmp_path / "corpus.yaml", "model: {hidden: 10, dropout: 0.1}\ntrain: {threads: 2}\n")
    _write(tmp_path / "base.yaml", "model: {hidden: 20, projection: 6}\n")
    path = _write(tmp_path / "x.yaml", "base: base.yaml\nmodel: {hidden: 30}\n")
    config = load_config(path, overrides=["model.projection=7"])
    assert (config.model.hidden, config.model.dropout, config.model.projection, config.train.threads) == (30, 0.1, 7, 2)


@pytest.mark.parametrize("stage", TRAINING_STAGES)
def test_setting_a_key_of_a_stage_keeps_the_other_defaults_of_the_stage(tmp_path, stage):
    path, default = _write(tmp_path / "x.yaml", f"{stage}: {{batch: 8}}\n"), getattr(Config(), stage)
    loaded = getattr(load_config(path, overrides=[f"{stage}.clip=2"]), stage)
    assert loaded == default.model_copy(update={"batch": 8, "clip": 2.0})


def test_only_corpus_kaldi_can_have_labels_of_its_own(tmp_path):
    path = _write(tmp_path / "x.yaml", "labels:\n  classes: {calm: [neu], awed: [awe]}\n")
    with pytest.raises(ConfigError, match="labels.classes: awe is no label; the labels are neu, hap, "):
        load_config(path)
    assert load_config(path, overrides=["data.corpus=kaldi"]).labels.classes["awed"] == ["awe"]


def test_classes_are_replaced_not_merged(tmp_path):
    path = _write(tmp_path / "x.yaml", "labels:\n  classes: {calm: [neu, sad], loud: [ang]}\n")
    assert load_config(path).labels.classes == {"calm": ["neu", "sad"], "loud": ["ang"]}


def test_a_base_of_the_same_name_is_the_shared_experiment(tmp_path):
    path = _write(tmp_path / "jsd_paper.yaml", "base: jsd_paper.yaml\nlabels: {least_raters: 5}\n")
    config = load_config(path)
    assert (config.labels.least_raters, config.amber.fusion, config.distill.batch) == (5, "gated_concat", 128)
    assert config.model_copy(update={"labels": Config().labels}) == load_config(tmp_path / "elsewhere/jsd_paper.yaml")


def test_a_base_cannot_have_a_base(tmp_path):
    _write(tmp_path / "a.yaml", "stages: [distill]\n")
    _write(tmp_path / "b.yaml", "base: a.yaml\n")
    with pytest.raises(ConfigError, match="only one level is allowed"):
        load_config(_write(tmp_path / "c.yaml", "base: b.yaml\n"))


def test_all_faults_are_reported_at_once_with_line_and_nearest_key(tmp_path):
    path = _write(
        tmp_path / "x.yaml",
        "ipr: {temprature: 0.1, queue: -3}\nlabels:\n  precise: 0.8\n  precise: 1.8\nepochs: 3\n"
        "model: {dropout: hello}\ndata:\n  corpus: iemocop\n",
    )
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides=["amber.student=B", "nonsense"])
    message = str(caught.value)
    for expected in (
        "x.yaml:1: unknown key 'ipr.temprature'; did you mean 'ipr.temperature'?",
        "x.yaml:1: ipr.queue: should be greater than or equal to 0, got '-3'",
        "x.yaml:4: 'labels.precise' appears twice (first in line 3); keep one",
        "x.yaml:4: labels.precise: should be less than or equal to 1, got '1.8'",
        "x.yaml:5: unknown key 'epochs'",
        "x.yaml:6: model.dropout: should be a valid number",
        "x.yaml:8: data.corpus: should be 'mini', 'iemocap'",
        "got 'iemocop'",
        "--set amber.student=B: amber.student: should be 'A', 'T' or 'AT', got 'B'",
        "--set nonsense: must look like key=value",
    ):
        assert expected in message


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("stages: [distill, prototypes]\n", "must be in the order"),
        ("stages: [update]\n", "need prototypes before them"),
        ("labels: {classes: {a: [neu], b: [neu]}}\n", "neu belongs to two classes"),
        ("labels: {classes: {a: [neu]}}\n", "at least 2 items"),
        ("a: [1\n", "is not valid YAML"),
        ("- 1\n", "must hold 'key: value' lines"),
        ("train: {threads: 0}\n", "greater than or equal to 1"),
        ("ipr: {temperature: 0}\n", "greater than 0"),
        ("ipr: {key_momentum: 1.5}\n", "less than or equal to 1"),
        ("distill: {learning_rate: nan}\n", "finite"),
    ],
)
def test_a_fault_is_named(tmp_path, text, fault):
    with pytest.raises(ConfigError, match=fault):
        load_config(_write(tmp_path / "x.yaml", text))


def test_an_experiment_missing_in_the_folder_is_the_shared_one_with_the_folders_corpus(tmp_path):
    _write(tmp_path / "corpus.yaml", "data: {corpus: iemocap}\n")
    config = load_config(tmp_path / "ce.yaml")
    assert (config.amber.student, config.amber.target, config.data.corpus) == ("A", "majority", "iemocap")
    own = _write(tmp_path / "mine.yaml", "base: ce.yaml\nmodel: {hidden: 9}\n")
    assert (load_config(own).amber.student, load_config(own).model.hidden) == ("A", 9)
    _write(tmp_path / "ce.yaml", "amber: {student: T}\n")
    assert load_config(own).amber.student == "T"


def test_a_missing_file_suggests_a_similar_name(tmp_path):
    _write(tmp_path / "tryout.yaml", "")
    with pytest.raises(ConfigError, match="did you mean tryout.yaml"):
        load_config(tmp_path / "tryuot.yaml")
    with pytest.raises(ConfigError, match="did you mean amber2.yaml"):
        load_config(tmp_path / "amber22.yaml")


def test_ssl_reads_the_named_file_and_passes_unknown_names_to_s3prl(tmp_path):
    path = _write(tmp_path / "x.yaml", "ssl: fbank\nspeech_features: {statistics: mean}\n")
    config = load_config(path)
    assert config.speech_features.upstream == "fbank_no_cmvn"
    assert config.speech_features.statistics == "mean"  # the experiment wins over conf/ssl
    other = load_config(path, ssl="some_upstream")
    assert other.ssl == other.speech_features.upstream == "some_upstream"


def test_an_unknown_text_encoder_lists_the_known_ones(tmp_path):
    with pytest.raises(ConfigError, match="conf/text has no nothing.yaml; available: .*hashing"):
        load_config(_write(tmp_path / "x.yaml", "text: nothing\n"))


def test_a_folder_in_place_of_a_name_is_told_where_it_belongs(tmp_path):
    expected = "available: .*wavlm_base.*; for a folder with weights, add --set speech_features.checkpoint=FOLDER"
    with pytest.raises(ConfigError, match=expected):
        load_config(_write(tmp_path / "x.yaml", "ssl: /models/whisper\n"))


def test_a_resolved_configuration_loads_unchanged(tmp_path):
    config = load_config(_write(tmp_path / "x.yaml", "stages: [prototypes, distill]\nlabels: {precise: 0.75}\n"))
    again = load_config(_write(tmp_path / "y.yaml", dump_yaml(config.model_dump(mode="json"))))
    assert again == config


def test_a_fault_of_several_keys_names_the_line_of_the_one_to_change(tmp_path):
    path = _write(tmp_path / "x.yaml", "labels:\n  classes: {a: [ndu], b: [sad]}\n")
    with pytest.raises(ConfigError, match=r"x.yaml:2: labels.classes: ndu is no label"):
        load_config(path)


def test_a_name_of_features_is_no_path(tmp_path):
    path = _write(tmp_path / "x.yaml", "ssl: ../ssl/fbank\n")
    with pytest.raises(ConfigError, match=r"conf/ssl has no ../ssl/fbank.yaml"):
        load_config(path)
