"""What a computation reads of a configuration, and whether another configuration gives it the same."""

import pytest

from ambiser.config.reads import reads_the_same, watch
from ambiser.config.schema import Config


def config(**sections) -> Config:
    return Config.model_validate({"stages": ["prototypes", "update"], **sections})


def test_keys_and_what_methods_read_are_recorded():
    watched, read = watch(config())
    assert watched.model.hidden == config().model.hidden and not watched.learns()
    assert read == {
        "model.hidden": config().model.hidden,
        "model.encoder": "frozen",
        "model.text_encoder": "frozen",
    }


def test_a_section_alone_reads_nothing():
    watched, read = watch(config())
    section = watched.ipr
    assert read == {}
    assert section.queue == config().ipr.queue
    assert list(read) == ["ipr.queue"]


@pytest.mark.parametrize(
    "use", [hash, lambda section: section == Config().gaussian, lambda section: section.model_dump()]
)
def test_what_is_not_one_key_counts_as_all_keys(use):
    watched, read = watch(config())
    assert use(watched.gaussian) == use(config().gaussian)
    assert read.keys() == {f"gaussian.{key}" for key in type(Config().gaussian).model_fields}


def test_only_keys_that_were_read_matter():
    watched, read = watch(config())
    _ = watched.ipr.queue, watched.labels.classes
    assert reads_the_same(config(ipr={"temperature": 0.7}, distill={"epochs": 3}), read)
    assert not reads_the_same(config(ipr={"queue": 7}), read)
    turned = dict(reversed(config().labels.classes.items()))
    assert not reads_the_same(config(labels={"classes": turned}), read)


def test_a_key_that_is_no_longer_there_differs():
    assert not reads_the_same(config(), {"ipr.gone": 1}) and not reads_the_same(config(), {"gone.key": 1})


def test_a_typing_error_in_the_code_fails_as_without_a_record():
    watched, _ = watch(config())
    with pytest.raises(AttributeError):
        _ = watched.ipr.temprature
