"""A mapped file that grows, is cut off, replaced or removed is named; others are not."""

import os

import pytest

from ambiser.errors import DataError
from ambiser.io.mapped_files import MappedFiles


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
