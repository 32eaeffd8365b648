"""The options that programs share, and folders that belong to one configuration."""

import pytest

from ambiser.errors import ConfigError
from ambiser.recipe.arguments import Parser, add_experiment
from ambiser.recipe.experiments import claim_folder, load_experiments


def _parser(several=False):
    parser = Parser("Does it.")
    add_experiment(parser, several=several)
    return parser


def test_dashes_are_as_good_as_underscores_in_options_but_not_in_values():
    args = _parser().parse_args(["--config", "a-b.yaml", "--data-dir", "x-y", "--exp_dir=p-q", "--set", "a.b=c-d"])
    assert (str(args.config), str(args.data_dir), str(args.exp_dir), args.overrides) == (
        "a-b.yaml",
        "x-y",
        "p-q",
        ["a.b=c-d"],
    )


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["--confg", "x"], "--config"),
        (["--config", "x", "--see", "1"], "unrecognized arguments: --see 1"),
        (["--config", "x", "--seed", "one"], "invalid int value: 'one'"),
        (["--config"], "expected one argument"),
        (["--config", "x", "stray"], "unrecognized arguments: stray"),
    ],
)
def test_a_fault_is_one_line_and_exit_2(words, fault, capsys):
    with pytest.raises(SystemExit) as caught:
        _parser().parse_args(words)
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert fault in error
    assert error.count("\n") == 1


def test_experiments_are_configurations_times_seeds(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text("stages: [distill]\n")
    words = ["--configs", str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml"), "--seeds", "1", "2", "--tag", "try"]
    experiments = load_experiments(_parser(several=True).parse_args(words))
    assert [e.tag for e in experiments] == ["a-fbank-s1-try", "a-fbank-s2-try", "b-fbank-s1-try", "b-fbank-s2-try"]


def test_experiments_must_share_their_data_and_have_names_of_their_own(tmp_path):
    (tmp_path / "a.yaml").write_text("data: {dev: next_session}\n")
    (tmp_path / "b.yaml").write_text("data: {dev: previous_session}\n")
    args = _parser(several=True).parse_args(["--configs", str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml")])
    with pytest.raises(ConfigError, match="data.dev: next_session -> previous_session"):
        load_experiments(args)
    args = _parser(several=True).parse_args(["--configs", *[str(tmp_path / "a.yaml")] * 2])
    with pytest.raises(ConfigError, match="named twice"):
        load_experiments(args)


def test_a_folder_keeps_its_configuration(tmp_path):
    claim_folder(tmp_path / "x", {"a": {"b": 1, "s": "no"}, "f": 1e-4}, "use another --exp_dir")
    claim_folder(tmp_path / "x", {"a": {"b": 1, "s": "no"}, "f": 1e-4}, "use another --exp_dir")
    assert (tmp_path / "x" / "run.json").is_file()
    with pytest.raises(ConfigError, match=r"use another --exp_dir:\n  a.b: 1 -> 2"):
        claim_folder(tmp_path / "x", {"a": {"b": 2, "s": "no"}, "f": 1e-4}, "use another --exp_dir")
