import os

import pytest

from ambiser.errors import DataError
from ambiser.io.files import atomic_open, digest, read_json, write_json, write_text


def test_a_file_appears_only_when_it_is_complete(tmp_path):
    path = tmp_path / "new" / "file"
    with atomic_open(path) as stream:
        stream.write("é\n")
        stream.flush()
        assert not path.exists()
    assert path.read_bytes() == "é\n".encode()
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    write_text(tmp_path / "file", "old\n")
    with pytest.raises(KeyError), atomic_open(tmp_path / "file") as stream:
        stream.write("new")
        raise KeyError
    assert (tmp_path / "file").read_text() == "old\n"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_is_one_line(tmp_path):
    """A limit on the size of files stands for the disk."""
    import resource
    import signal

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(DataError, match=r"big: cannot be written: File too large"):
            write_text(tmp_path / "big", "x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_one_line(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(DataError, match="Permission denied"):
        write_text(tmp_path / "x", "")


def test_a_file_where_a_folder_should_be_is_one_line(tmp_path):
    write_text(tmp_path / "file", "")
    with pytest.raises(DataError, match="cannot be written"):
        write_text(tmp_path / "file" / "below", "")


def test_json_is_sorted_and_refuses_nan(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": [0.1]})
    assert (tmp_path / "a.json").read_text() == '{\n  "a": [\n    0.1\n  ],\n  "b": 1\n}\n'
    assert read_json(tmp_path / "a.json") == {"a": [0.1], "b": 1}
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "b.json", {"a": float("nan")})
    assert not (tmp_path / "b.json").exists()


def test_bad_json_is_named(tmp_path):
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(DataError, match=r"a.json: is not valid JSON: .*line 1"):
        read_json(tmp_path / "a.json")
    with pytest.raises(DataError, match="b.json: cannot be read"):
        read_json(tmp_path / "b.json")


def test_parts_of_a_digest_do_not_run_together():
    assert len({digest("ab", "c"), digest("a", "bc"), digest("abc"), digest("abc", "")}) == 4
    assert digest("é") == digest("é".encode())


def test_a_name_that_is_not_utf8_is_one_line(tmp_path):
    name = os.fsdecode(b"M\xfcller.wav")
    with pytest.raises(DataError, match=r"wav.scp: cannot be written: 'u M\\udcfc' is not UTF-8; rename the file or f"):
        write_text(tmp_path / "wav.scp", f"a b\nu {name}\n")
    assert not list(tmp_path.iterdir())
