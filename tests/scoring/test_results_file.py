import json

import pytest

from ambiser.errors import DataError
from ambiser.io.files import read_json, write_json
from ambiser.io.records import to_json
from ambiser.scoring.results_file import read_results, write_results
from ambiser.scoring.stamp import FORMAT


def test_what_is_written_is_read_back_unchanged(tmp_path, make_results):
    results, path = make_results(), tmp_path / "results.json"
    write_results(path, results)
    assert to_json(read_results(path)) == to_json(results)
    first = path.read_bytes()
    write_results(path, read_results(path))
    assert path.read_bytes() == first and read_json(path)["format"] == FORMAT


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda c: c.pop("tag"), "results.json: lacks tag;"),
        (lambda c: c["stamp"].pop("seed"), "results.json: stamp: lacks seed;"),
        (lambda c: c["stamp"].update(sead=1), "results.json: stamp: has unknown sead;"),
        (lambda c: c["scores"]["pooled"].update(speakers="6"), "pooled: speakers: must be of type int, got '6'"),
        (lambda c: c["scores"]["levels"][1].pop("name"), "scores: levels: lacks name;"),
        (lambda c: c["scores"]["folds"].update(x={}), "scores: folds: the key 'x' must be of type int"),
        (
            lambda c: c["scores"]["pooled"]["scores"].update(bc=True),
            "scores: bc: must be of type float, got True",
        ),
    ],
)
def test_missing_unknown_and_wrong_values_are_refused_in_one_line(tmp_path, make_results, change, expected):
    path = tmp_path / "results.json"
    write_results(path, make_results())
    content = read_json(path)
    change(content)
    write_json(path, content)
    with pytest.raises(DataError) as fault:
        read_results(path)
    assert str(path) in str(fault.value) and expected in str(fault.value) and "\n" not in str(fault.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("[]", "is not a results file"),
        ("{}", "is not a results file"),
        (json.dumps({"format": 9}), f"has format 9, this program writes {FORMAT}"),
        ("{", "not valid JSON"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path, content, expected):
    path = tmp_path / "results.json"
    path.write_text(content)
    with pytest.raises(DataError) as fault:
        read_results(path)
    assert str(path) in str(fault.value) and expected in str(fault.value) and "\n" not in str(fault.value)
