import pytest

from ambiser.errors import DataError
from ambiser.io.tables import read_list, read_table, read_tsv, write_list, write_table, write_tsv


def test_tables_are_sorted_bytewise_and_read_back(tmp_path):
    table = {"b": "2 words", "B": 1, "é": "x", "a_1": "y", "a": ""}
    write_table(tmp_path / "t", table)
    assert (tmp_path / "t").read_text().splitlines() == ["B 1", "a", "a_1 y", "b 2 words", "é x"]
    read = read_table(tmp_path / "t", allow_empty_value=True)
    assert list(read.items()) == [("B", "1"), ("a", ""), ("a_1", "y"), ("b", "2 words"), ("é", "x")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"b 1\na 2\n", ":2: 'a' is not in bytewise order"),
        (b"a 1\na 2\n", ":2: 'a' appears twice"),
        (b"a 1\nb\n", ":2: 'b' has no value"),
        (b"a 1\n\n", ":2: a line must be"),
        (b"a\t1\n", ":1: a line must be"),
        (b" a 1\n", ":1: a line must be"),
        (b"a 1\nb 2", "the last line has no line break"),
        (b"a \xff\n", r"not UTF-8 \(byte 2\)"),
    ],
)
def test_a_damaged_table_is_named_with_its_line(tmp_path, content, message):
    (tmp_path / "t").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_table(tmp_path / "t")


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(DataError, match="nothing: cannot be read: No such file"):
        read_table(tmp_path / "nothing")


@pytest.mark.parametrize("table", [{"a b": 1}, {"": 1}, {"a\n": 1}, {"a": "x\ny"}, {"a": "x\ry"}])
def test_a_table_that_cannot_be_read_back_is_not_written(tmp_path, table):
    with pytest.raises(DataError):
        write_table(tmp_path / "t", table)
    assert not (tmp_path / "t").exists()


def test_lists_are_sorted_and_read_back(tmp_path):
    write_list(tmp_path / "l", ["b", "a"])
    assert (tmp_path / "l").read_bytes() == b"a\nb\n"
    assert read_list(tmp_path / "l") == ["a", "b"]
    write_list(tmp_path / "l", [])
    assert read_list(tmp_path / "l") == []


def test_a_tsv_is_read_back(tmp_path):
    write_tsv(tmp_path / "t", ["utt", "label"], [("u2", 'say "x"'), ("u1", "")])
    assert (tmp_path / "t").read_text() == 'utt\tlabel\nu2\tsay "x"\nu1\t\n'
    assert read_tsv(tmp_path / "t", ["label"]) == [{"utt": "u2", "label": 'say "x"'}, {"utt": "u1", "label": ""}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty; it needs a header"),
        ("utt\n", ":1: the header lacks label; it has utt"),
        ("utt\tlabel\nu1\n", ":2: 1 fields where the header has 2"),
    ],
)
def test_a_damaged_tsv_is_named(tmp_path, content, message):
    (tmp_path / "t").write_text(content)
    with pytest.raises(DataError, match=message):
        read_tsv(tmp_path / "t", ["label"])


@pytest.mark.parametrize("row", [("a",), ("a", "b", "c"), ("a\tb", "c"), ("a\nb", "c")])
def test_a_row_that_does_not_fit_is_not_written(tmp_path, row):
    with pytest.raises(DataError, match="does not fit"):
        write_tsv(tmp_path / "t", ["x", "y"], [row])
