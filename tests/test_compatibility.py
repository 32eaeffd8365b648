"""Files that older versions wrote are read, or refused in one line; .github/CHANGELOG.md states which."""

import hashlib
import re
import runpy

import pytest
from recipe.test_experiments import parse
from scoring.conftest import make_results  # noqa: F401 - a fixture

import ambiser
from ambiser.config import load_config
from ambiser.errors import ConfigError, UserError
from ambiser.inference.model_folder import FORMAT as MODEL_FORMAT
from ambiser.inference.model_folder import read_record as read_model
from ambiser.io.corpus_record import read_record as read_corpus
from ambiser.io.files import read_json, write_json, write_text
from ambiser.io.records import to_json
from ambiser.io.tables import read_tsv, write_tsv
from ambiser.recipe.experiments import claim_experiment, load_experiments
from ambiser.report.published_tables import EXPERIMENT_COLUMNS, read_summaries, write_summaries
from ambiser.scoring.results_file import OtherFormatError, read_results
from ambiser.scoring.stamp import FORMAT

MODEL_0_1 = {
    "format": 1,
    "name": "old",
    "classes": ["neutral", "sad"],
    "stage": "distill",
    "members": [{"file": "w.safetensors", "config": "config.yaml", "seed": 1, "fold": 1}],
    "speech": {"weights": "", "sha256": "", "probe": []},
    "text": None,
    "results": [],
    "license": "other",
    "notes": [],
    "software": "ambiser 0.1.0",
}
"""A model without the fields that later versions added: calibration and prediction sets."""
CORPUS_0_1 = {
    **{"corpus_dir": "c", "data": {"corpus": "mini"}, "corpus": "mini", "version": "", "dev": "next_session"},
    **{"protocol": "leave_one_session_out", "folds": [1], "parts": {"1": {"test": 2}}, "sessions": ["1"]},
    **{"speakers": ["a"], "utterances": 2, "duration_s": 1.5, "votes": 6, "codes": {}, "left_out": 0},
    **{"warnings": {}, "made_up": True, "leaks": {}},
}
"""A record of stage 1 without the counts of audio formats."""


def refused(call, *args) -> str:
    """Returns the message of a refusal, which is one line."""
    with pytest.raises(UserError) as fault:
        call(*args)
    assert "\n" not in str(fault.value)
    return str(fault.value)


def test_the_version_is_in_one_place_and_its_changes_are_listed(root, monkeypatch):
    given = {}
    monkeypatch.setattr("setuptools.setup", given.update)
    monkeypatch.chdir(root)
    runpy.run_path("setup.py")
    assert given["version"] == ambiser.__version__
    changes = (root / ".github" / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (\d\S+)", changes, re.MULTILINE)[0] == ambiser.__version__
    assert f"`results.json` (format {FORMAT})" in changes and f"`model.json`, format {MODEL_FORMAT})" in changes


@pytest.mark.parametrize("number", [3, 4, FORMAT + 1])
def test_results_of_another_format_are_refused_with_the_stage_that_makes_them(tmp_path, number):
    write_json(tmp_path / "results.json", {"format": number, "tag": "ce-fbank-s1"})
    with pytest.raises(OtherFormatError) as fault:
        read_results(tmp_path / "results.json")
    assert f"has format {number}" in str(fault.value) and "run stage 7 again" in str(fault.value)


def test_a_model_of_0_1_is_read_and_one_of_a_newer_format_refused(tmp_path):
    for name in ("w.safetensors", "config.yaml"):
        write_text(tmp_path / name, name)
    files = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("w.safetensors", "config.yaml")}
    write_json(tmp_path / "model.json", MODEL_0_1 | {"files": files})
    record = read_model(tmp_path)
    assert (record.members[0].calibration, record.members[0].sets) == (None, None)
    write_json(tmp_path / "model.json", MODEL_0_1 | {"files": files, "format": MODEL_FORMAT + 1})
    assert "update ambiser" in refused(read_model, tmp_path)


def test_a_record_of_stage_1_without_later_fields_is_read(tmp_path):
    write_json(tmp_path / "corpus.json", CORPUS_0_1)
    assert read_corpus(tmp_path / "corpus.json").audio is None
    write_json(tmp_path / "corpus.json", {key: value for key, value in CORPUS_0_1.items() if key != "folds"})
    assert "lacks folds" in refused(read_corpus, tmp_path / "corpus.json")


def test_published_tables_without_later_columns_are_read(tmp_path, make_results):  # noqa: F811
    one = make_results()
    write_summaries(tmp_path, [one])
    path = tmp_path / "experiments.tsv"
    rows = read_tsv(path, EXPERIMENT_COLUMNS)
    write_tsv(path, EXPERIMENT_COLUMNS, [[row[name] for name in EXPERIMENT_COLUMNS] for row in rows])
    assert to_json(read_summaries(tmp_path)[0].stamp) == to_json(one.stamp)


def test_an_experiment_of_0_1_loads_and_a_removed_key_is_named_with_the_nearest(tmp_path):
    old = tmp_path / "old.yaml"
    old.write_text("stages: [prototypes, contrastive]\nipr: {temperature: 0.1}\nprototypes: {select: ua}\n")
    assert load_config(old).prototypes.select == "ua"
    old.write_text("stages: [distill]\namber: {guidence: 0.5}\n")
    with pytest.raises(ConfigError) as fault:
        load_config(old)
    (line,) = str(fault.value).splitlines()[1:]
    assert "old.yaml:2" in line and "guidance" in line


def test_a_folder_of_an_experiment_of_0_1_is_refused(tmp_path):
    (tmp_path / "a.yaml").write_text("stages: [distill]\n")
    (experiment,) = load_experiments(parse(["--config", tmp_path / "a.yaml", "--exp_dir", tmp_path / "exp"]))
    claim_experiment(experiment)
    run = next((tmp_path / "exp").glob("*/run.json"))
    assert read_json(run)["versions"]["ambiser"] == ambiser.__version__
    write_json(run, read_json(run) | {"format": 1})
    assert "older version of ambiser; remove it" in refused(claim_experiment, experiment)
