"""Which keys an experiment reads, and which differing keys are listed."""

import pytest

from ambiser.config.loader import EXPERIMENTS, load_config
from ambiser.config.resolved import flatten
from ambiser.config.schema import Config
from ambiser.config.used_keys import differing_used_keys, unused_keys
from ambiser.config.yaml_reader import CONF, read_yaml


def _config(tmp_path, *overrides):
    path = tmp_path / "x.yaml"
    path.write_text("stages: [distill]\namber: {student: A, guidance: 0, teacher: 0}\n")
    return load_config(path, overrides=overrides)


def test_unused_keys_exist():
    known = set(flatten(read_yaml(CONF / "base.yaml", EXPERIMENTS)[0])) | Config.model_fields.keys()
    for path in sorted(EXPERIMENTS.glob("*.yaml")):
        assert unused_keys(load_config(path)) <= known, path


@pytest.mark.parametrize(
    "override",
    [
        "prototypes.epochs=7", "gaussian.dims=3", "update.batch=3", "ipr.temperature=0.3", "finetune.gain_db=1",
        "text_features.layer=3",
        "text=bert_base_uncased", "amber.temperature=1", "amber.fusion=gated", "model.projection=3",
        "amber.use_prototypes=false",
    ],
)  # fmt: skip
def test_a_key_that_neither_experiment_reads_is_not_listed(tmp_path, override):
    base, other = _config(tmp_path), _config(tmp_path, override)
    assert flatten(base.model_dump()) != flatten(other.model_dump())
    assert differing_used_keys(base, other) == []


def test_a_key_that_one_experiment_reads_is_listed_with_its_value_there(tmp_path):
    base = _config(tmp_path)
    fusion = _config(tmp_path, "amber.guidance=0.7", "amber.temperature=0.2", "amber.teacher=1")
    assert differing_used_keys(base, fusion) == [
        "amber.guidance: 0.0 -> 0.7",
        "amber.teacher: 0.0 -> 1.0",
        "amber.temperature: (not used) -> 0.2",
    ]
    ipr = _config(tmp_path, "stages=[prototypes, update]", "prototypes.epochs=9")
    assert differing_used_keys(base, ipr) == [
        "prototypes.epochs: (not used) -> 9",
        "stages: ['distill'] -> ['prototypes', 'update']",
    ]
    assert differing_used_keys(ipr, base)[0] == "prototypes.epochs: 9 -> (not used)"


def test_a_target_is_listed_without_those_that_stay_at_their_defaults(tmp_path):
    other = _config(tmp_path, "targets.curriculum=low_entropy_first")
    assert differing_used_keys(_config(tmp_path), other) == ["targets.curriculum: (not set) -> low_entropy_first"]


def test_votes_are_read_by_the_threshold_likelihood_alone(tmp_path):
    base = _config(tmp_path, "stages=[prototypes, update]")
    assert differing_used_keys(base, _config(tmp_path, "stages=[prototypes, update]", "ipr.votes=9")) == []
    threshold = _config(tmp_path, "stages=[prototypes, update]", "ipr.votes=9", "ipr.ambiguous_loss=threshold")
    assert differing_used_keys(base, threshold) == [
        "ipr.ambiguous_loss: pseudo_labels -> threshold",
        "ipr.votes: (not used) -> 9",
    ]


def test_the_keys_of_a_grid_are_listed(tmp_path):
    tuned = _config(tmp_path, "tune={distill.epochs: [2, 4]}")
    assert differing_used_keys(_config(tmp_path), tuned) == ["tune.distill.epochs: (not set) -> [2, 4]"]


def test_shared_sections_are_always_listed(tmp_path):
    lines = differing_used_keys(_config(tmp_path), _config(tmp_path, "model.hidden=9", "labels.precise=0.7"))
    assert [line.partition(":")[0] for line in lines] == ["labels.precise", "model.hidden"]
