"""conf/base.yaml matches the schema, and all shipped experiments are valid."""

from pathlib import Path

import pytest

from ambiser.config import Config, load_config
from ambiser.config.base_yaml import render_base
from ambiser.config.loader import find_experiment
from ambiser.config.yaml_reader import CONF, read_yaml

EGS = Path(__file__).resolve().parents[2] / "egs"
SHARED = sorted((CONF / "experiments").glob("*.yaml"))
OWN = sorted(path for path in EGS.glob("*/conf/*.yaml") if path.name != "corpus.yaml")
RECIPES = sorted(path.parent for path in EGS.glob("*/conf/corpus.yaml"))
EXPERIMENTS = [*OWN, *(folder / path.name for folder in RECIPES for path in SHARED)]


def test_base_yaml_is_generated_from_the_schema():
    written = (CONF / "base.yaml").read_text(encoding="utf-8")
    assert written == render_base(), "run python -m ambiser.bin.write_base_config"


def test_base_yaml_holds_every_default():
    assert Config.model_validate(read_yaml(CONF / "base.yaml")[0]) == Config()


def test_every_recipe_has_the_experiments():
    assert {path.stem for path in SHARED} >= {"ce", "superb", "soft_ce", "jsd", "ipr", "amber2", "ipr_amber2"}
    assert {path.parent.name for path in RECIPES} >= {"mini", "iemocap", "msp_podcast"}


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_experiment_is_valid_and_its_head_gives_the_command(path):
    config = load_config(path)
    assert config.data.corpus == path.parts[-3]
    head = find_experiment(path).read_text(encoding="utf-8").splitlines()
    assert head[0].startswith("# ")
    assert f"#   ./run.sh --config {path.stem}" in head
