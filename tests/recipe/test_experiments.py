"""Experiments as options name them, and folders that belong to one configuration."""

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ambiser.errors import ConfigError
from ambiser.recipe.experiments import claim_folder, load_experiment_and_fold, load_experiments
from ambiser.recipe.program_options import Parser


def parse(words):
    return Parser("Does it.", "train").parse_args([str(word) for word in words])


def test_experiments_are_configurations_times_seeds(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text("stages: [distill]\n")
    words = ["--config", str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml"), "--seeds", "1", "2", "--tag", "try"]
    experiments = load_experiments(parse(words))
    assert [e.tag for e in experiments] == ["a-fbank-s1-try", "a-fbank-s2-try", "b-fbank-s1-try", "b-fbank-s2-try"]


def test_experiments_must_share_their_data_and_have_names_of_their_own(tmp_path):
    (tmp_path / "a.yaml").write_text("data: {dev: next_session}\n")
    (tmp_path / "b.yaml").write_text("data: {dev: previous_session}\n")
    args = parse(["--config", str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml")])
    with pytest.raises(ConfigError, match="data.dev: next_session -> previous_session"):
        load_experiments(args)
    args = parse(["--config", *[str(tmp_path / "a.yaml")] * 2])
    with pytest.raises(ConfigError, match="given twice"):
        load_experiments(args)


@pytest.mark.parametrize(("words", "fault"), [(["--seeds", 1, 2, "--folds", 1], "seeds"), (["--seeds", 1], "folds")])
def test_a_program_of_one_experiment_refuses_several(words, fault):
    with pytest.raises(ConfigError, match=f"--{fault} must be one value for this program"):
        load_experiment_and_fold(parse(["--config", "a", *words]))


def test_a_folder_keeps_its_configuration(tmp_path):
    claim_folder(tmp_path / "x", {"a": {"b": 1, "s": "no"}, "f": 1e-4}, "use another --exp_dir")
    claim_folder(tmp_path / "x", {"a": {"b": 1, "s": "no"}, "f": 1e-4}, "use another --exp_dir")
    assert (tmp_path / "x" / "run.json").is_file()
    with pytest.raises(ConfigError, match=r"use another --exp_dir:\n  a.b: 1 -> 2"):
        claim_folder(tmp_path / "x", {"a": {"b": 2, "s": "no"}, "f": 1e-4}, "use another --exp_dir")


def test_of_two_configurations_at_once_one_is_refused(tmp_path):
    barrier = threading.Barrier(4)

    def claim(number):
        barrier.wait()
        try:
            claim_folder(tmp_path / "x", {"a": number}, "use another --exp_dir")
        except ConfigError:
            return None
        return number

    for _ in range(5):
        with ThreadPoolExecutor(4) as pool:
            kept = [number for number in pool.map(claim, range(4)) if number is not None]
        assert len(kept) == 1
        assert (tmp_path / "x/config.yaml").read_text() == f"a: {kept[0]}\n"
        assert sorted(path.name for path in (tmp_path / "x").iterdir()) == ["config.yaml", "run.json"]
        shutil.rmtree(tmp_path / "x")
