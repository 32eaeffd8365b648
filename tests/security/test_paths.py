"""Names in scp files, model folders and predictions lead nowhere: no command, no path outside, no broken line."""

import json
import shutil
import struct

import pytest
from inference.conftest import CLASSES, make_config
from inference.conftest import packed as packed  # a fixture

from ambiser.errors import DataError, UserError
from ambiser.inference.model_folder import Member, read_record
from ambiser.inference.networks import load_network
from ambiser.inference.output import Writer
from ambiser.inference.sources import list_sources
from ambiser.io.ark import read_scp
from ambiser.io.files import read_json, write_json


@pytest.fixture
def model(packed, tmp_path):
    return shutil.copytree(packed, tmp_path / "model")


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "members/../../secret", "link"])
def test_a_model_that_names_a_file_outside_its_folder_is_refused(model, name):
    (model.parent / "secret").write_text("x")
    (model / "link").symlink_to("/etc/passwd")
    record = read_json(model / "model.json")
    record["files"][name] = "0" * 64
    write_json(model / "model.json", record)
    with pytest.raises(DataError, match="names a file outside the folder"):
        read_record(model)


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("name", "a\tb", "printable text on one line"),
        ("name", "\x1b[2Jgone", "printable text on one line"),
        ("classes", ["neutral", "happy\n", "angry", "sad"], "printable text on one line"),
        ("classes", ["neutral", "neutral", "angry", "sad"], "at least two classes, each once"),
        ("stage", "../distill", "'../distill' is no training stage"),
        ("members", [], "names no members"),
        ("files", {}, "files without a SHA-256"),
    ],
)
def test_a_record_that_would_break_lines_or_terminals_is_refused(model, key, value, fault):
    record = read_json(model / "model.json")
    record[key] = value
    write_json(model / "model.json", record)
    with pytest.raises(DataError, match=fault) as error:
        read_record(model)
    assert "\n" not in str(error.value) and "\x1b" not in str(error.value)


@pytest.mark.parametrize("entry", ["touch x |", "| touch x", "a.ark", "a.ark:0[1:2]", "a.ark:-1", "a.ark:1e3"])
def test_a_feats_scp_runs_no_command(tmp_path, entry):
    (tmp_path / "feats.scp").write_text(f"u {entry}\n")
    with pytest.raises(DataError, match=r"feats.scp: u: .* must have the form path:offset"):
        read_scp(tmp_path / "feats.scp")


def test_a_wav_scp_of_predict_runs_no_command(tmp_path):
    (tmp_path / "wav.scp").write_text("u touch x |\n")
    ((source,), _) = list_sources([str(tmp_path / "wav.scp")])
    assert not source.path.exists() and str(source.path) == "touch x |"


@pytest.mark.parametrize(
    "line",
    [
        "[1]",
        '"a"',
        "{}",
        "[" * 10**4,
        '{"file": 1, "start_s": 0, "end_s": 1, "label": "a", "cutting": "c", "model": "m"}',
        "ROW start_s 2",
        "ROW distribution []",
        'ROW distribution {"a": null}',
        'ROW distribution {"a": NaN}',
        "ROW model {}",
        "ROW notes [1]",
    ],
)
def test_a_damaged_output_is_not_resumed(tmp_path, line):
    row = {"file": "a.wav", "start_s": 0, "end_s": 1, "label": "a", "cutting": "c", "model": "m", "text": None}
    row |= {"notes": [], "distribution": {"a": 1.0}, "no_majority": {}, "head_jsd_bits": {}, "prototype_similarity": {}}
    row |= dict.fromkeys(("entropy_bits", "expected_agreement", "member_information_bits"), 0.5)
    path = tmp_path / "out.jsonl"
    path.write_text(json.dumps(row) + "\n")
    assert Writer(path, "jsonl", ("c", "m"), resume=True).done == {"a.wav"}
    if line.startswith("ROW "):
        _, key, value = line.split(" ", 2)
        line = json.dumps(row | {key: json.loads(value)})
    path.write_text(line + "\n")
    with pytest.raises(UserError, match=r"out.jsonl: is no jsonl output of ambiser predict; remove it$"):
        Writer(path, "jsonl", ("c", "m"), resume=True)


def test_an_output_that_is_no_text_is_not_resumed(tmp_path):
    (tmp_path / "out.tsv").write_bytes(b"\xff\xfe\n")
    with pytest.raises(UserError, match=r"out.tsv: is no tsv output of ambiser predict; remove it$"):
        Writer(tmp_path / "out.tsv", "tsv", ("c", "m"), resume=True)


@pytest.mark.parametrize("facts", ["[]", "3", '{"classes": 1}', "{}", '{"classes": [], "layers": 1, "dim": 1}'])
def test_facts_of_another_shape_are_refused(tmp_path, facts):
    header = json.dumps({"__metadata__": {"facts": facts}}).encode()
    (tmp_path / "m.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(DataError, match="m.safetensors: (not a checkpoint|its facts lack)"):
        load_network(tmp_path, Member("m.safetensors", "c", 1, 1), make_config(), classes=CLASSES, stage="distill")
