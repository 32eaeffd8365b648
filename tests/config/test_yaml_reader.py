"""Reading YAML: lines of keys, unreadable files, and no Python objects."""

import pytest

from ambiser.config.yaml_reader import CONF, find_conf, parse_yaml, read_yaml
from ambiser.errors import ConfigError


def test_an_installed_package_reads_the_shared_files_of_the_recipe(root, tmp_path):
    assert find_conf(root / "ambiser", tmp_path) == root / "conf"
    assert find_conf(tmp_path / "site-packages" / "ambiser", root / "egs" / "mini") == root / "conf"


def test_scalars_stay_text_and_keys_have_lines():
    tree, lines, faults = parse_yaml("a:\n  b: 1e-4\n  c: [no, 07]\nd:\n", "x")
    assert tree == {"a": {"b": "1e-4", "c": ["no", "07"]}, "d": None}
    assert lines == {("a",): 1, ("a", "b"): 2, ("a", "c"): 3, ("d",): 4}
    assert faults == []


def test_a_key_given_twice_is_a_fault_with_both_lines():
    assert parse_yaml("a: {b: 1}\nc: 2\nc: 3\n", "x")[2] == ["x:3: 'c' appears twice (first in line 2); keep one"]


def test_an_unreadable_file_is_one_line(tmp_path):
    (tmp_path / "bytes.yaml").write_bytes(b"a: \xff\xfe")
    with pytest.raises(ConfigError, match=r"bytes.yaml: is not UTF-8 text \(byte 3\); is it a YAML file\?$"):
        read_yaml(tmp_path / "bytes.yaml")
    with pytest.raises(ConfigError, match=r": cannot be read: Is a directory$"):
        read_yaml(tmp_path)


def test_a_missing_file_suggests_names_of_its_own_and_the_shared_folder(tmp_path):
    (tmp_path / "experiment_of_mine.yaml").touch()
    with pytest.raises(ConfigError, match="q.yaml: does not exist; available: experiment_of_mine.yaml$"):
        read_yaml(tmp_path / "q.yaml")
    with pytest.raises(ConfigError, match="did you mean amber2.yaml"):
        read_yaml(tmp_path / "amber22.yaml", CONF / "experiments")


def test_yaml_tags_make_no_python_objects():
    tree, _, _ = parse_yaml("a: !!python/object/apply:os.system ['echo harm']\n", "x")
    assert tree == {"a": ["echo harm"]}


def test_the_conf_folder_exists():
    assert (CONF / "base.yaml").is_file()
