"""Every reader of files that others made returns a result or one line with the file, whatever the file holds."""

import pytest

hypothesis = pytest.importorskip("hypothesis", reason="hypothesis is not installed (extra test)")
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from property.damages import damage  # noqa: E402
from property.readers import READERS, check  # noqa: E402

from ambiser.errors import UserError  # noqa: E402

CHANGES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 10**4), st.integers(0, 10**4)), max_size=4)
NUMBERED = [pytest.param(reader, id=f"{number}-{reader.name}") for number, reader in enumerate(READERS)]


@pytest.mark.parametrize("reader", NUMBERED)
@pytest.mark.timeout(60)
def test_a_damaged_file_gives_a_result_or_one_line(reader, tmp_path):
    @given(st.integers(0, 9), CHANGES)
    def run(seed, changes):
        check(reader, tmp_path / reader.name, damage(reader.seeds[seed % len(reader.seeds)], changes))

    run()


@pytest.mark.parametrize("reader", NUMBERED)
@pytest.mark.timeout(60)
def test_any_bytes_give_a_result_or_one_line(reader, tmp_path):
    @given(st.binary(max_size=60))
    def run(content):
        check(reader, tmp_path / reader.name, content)

    run()


def test_most_seeds_are_valid(tmp_path):
    refused = {
        reader.name
        for reader in READERS
        if isinstance(check(reader, tmp_path / reader.name, reader.seeds[0]), UserError)
    }
    assert refused == {"model.json"}  # it names files that are not there


FOUND = [
    ("labels.json", b'{"a.wav": "Neutral"}'),
    ("labels.json", b'{"a.wav": {"W1": "Neutral"}}'),
    ("x.json", b'{"a.wav": "N"}'),
    ("x.csv", b'"a\nb",c\n'),
    ("t.csv", b"\t"),
    ("t.csv", b"\xfe\xff\xfd\x7fK"),
    ("t.csv", b'file,"rater\nl"\na,r\n'),
    ("x.txt", b"[6.296.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5, 2.5, 2.5]\nC-E2:\tNeutral;\t()\n\n"),
    ("x.txt", b"[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5, 2.5.2, 2.5]\nC-E2:\tNeutral;\t()\n\n"),
    ("choice.json", b'{"ch\xe2\x80\xa8\\n}": "p1"}'),
    ("metrics.jsonl", b'{"a": "\xff"}'),
    ("x.yaml", b"ssl: " + b"f9" * 200),
    ("x.yaml", b"labels:\n  classes: {a: [ndu], b: [sad]}\n"),
    ("x.yaml", b"tune: {amber.guidcnce: [0, 1]}\n"),
    ("x.yaml", b"a: \x00"),
    ("x.yaml", b"? [a]\n: b\n"),
]
"""Files on which a reader once failed in another way."""


@pytest.mark.parametrize(("name", "content"), FOUND)
def test_files_that_once_broke_a_reader_give_one_line(name, content, tmp_path):
    for reader in READERS:
        if reader.name == name:
            check(reader, tmp_path / name, content)


LONG = [
    ("x.txt", b"[1 - 2]\tSes01F_impro01_F000\tneu\t[2.5, 1%s", b"9"),
    ("x.txt", b"[1 - 2]\tSes01F_impro01_F000\tneu\t[2, 2, 2]\nC-E2:\tNeutral;\t()\nA-E2:\tval 3; act 2; dom%s;x", b" "),
    ("x.txt", b"Ses01F_impro01_F000 [1-2]: so%sso", b" "),
    ("x.txt", b"UTD-IMPROV-S01A-F01-T-FM01.avi; A; A:1; V:2; D:3; N:%s;x", b" "),
    ("x.txt", b"UTD-IMPROV-S01A-F01-T-FM01.avi; A; A:1; V:2; D:3;\nWORKER1%sx", b" "),
    ("labels.txt", b"a.wav; N; A:4; V:3; D:2;\nWORKER1; Neutral; Sad; A:4; V:3; D:%s;x", b" "),
    ("labels.txt", b"a.wav; N; A:4; V:3; D:2;\nWORKER1%sx", b";"),
]
"""Lines with a long run of one character, which regular expressions once read in quadratic time: minutes each."""


@pytest.mark.parametrize(("name", "line", "character"), LONG)
@pytest.mark.timeout(20)
def test_a_long_run_of_one_character_is_read_in_linear_time(name, line, character, tmp_path):
    content = line % (200_000 * character) + b"\n\n"
    for reader in READERS:
        if reader.name == name:
            check(reader, tmp_path / name, content)
