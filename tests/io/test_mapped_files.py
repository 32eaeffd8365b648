"""Many files are mapped at once, and one that grows, is cut off, replaced or removed is named; others are not."""

import errno
import os
import resource

import numpy as np
import pytest

from ambiser.errors import DataError
from ambiser.io import mapped_files
from ambiser.io.ark import map_matrices, open_ark
from ambiser.io.mapped_files import MappedFiles, allow_open_files, map_file


@pytest.fixture
def limits():
    """Restores the limits of open files."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_mapped_file_is_read_only_and_has_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    mapped = map_file(tmp_path / "a")
    assert mapped.tobytes() == b"abc" and not mapped.flags.writeable


@pytest.mark.parametrize("content", [None, b""])
def test_a_missing_or_empty_file_is_one_line(tmp_path, content):
    if content is not None:
        (tmp_path / "a").write_bytes(content)
    with pytest.raises(DataError, match=r"a: cannot be read: .*; run stage 2 again"):
        map_file(tmp_path / "a")


def test_too_many_open_files_are_one_line_that_says_what_to_do(tmp_path, monkeypatch):
    def refuse(*_args, **_more):
        raise OSError(errno.EMFILE, "Too many open files")

    (tmp_path / "a").write_bytes(b"abc")
    monkeypatch.setattr(mapped_files.mmap, "mmap", refuse)
    with pytest.raises(DataError, match="too many open files; raise the hard limit"):
        map_file(tmp_path / "a")


def test_more_arks_than_the_soft_limit_of_open_files_are_mapped(tmp_path, limits):
    entries = {}
    for number in range(60):
        with open_ark(tmp_path / f"{number}.ark") as ark:
            ark.add(f"u{number}", np.full((1, 2), number, np.float32))
        entries[f"u{number}"] = f"{tmp_path}/{ark.entries[f'u{number}']}"
    resource.setrlimit(resource.RLIMIT_NOFILE, (50, limits[1]))
    matrices = map_matrices(entries, list(entries))
    assert [matrix[0, 1] for matrix in matrices] == list(range(60))


def test_the_limit_is_raised_but_never_lowered(limits):
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, limits[1]))
    allow_open_files()
    raised = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert raised[0] > 200 and raised[1] == limits[1]
    allow_open_files()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == raised


@pytest.mark.parametrize("change", ["grown", "cut", "written", "replaced", "removed"])
def test_a_changed_file_is_named(tmp_path, change):
    one, other = tmp_path / "one", tmp_path / "other"
    for path in (one, other):
        path.write_bytes(b"1234")
        os.utime(path, (1, 1))
    files = MappedFiles([str(one), str(other), str(one)])
    files.check([0, 1, 2])
    if change in ("grown", "cut"):
        os.truncate(one, 5 if change == "grown" else 3)
    elif change == "written":
        one.write_bytes(b"5678")
    elif change == "removed":
        one.unlink()
    else:
        (tmp_path / "new").write_bytes(b"1234")
        os.utime(tmp_path / "new", (1, 1))
        (tmp_path / "new").rename(one)
    files.check([1])
    with pytest.raises(DataError, match="one: changed while this stage read it; run this stage again$"):
        files.check([1, 2])
