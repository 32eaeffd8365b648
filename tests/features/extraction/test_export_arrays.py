"""Features as one .npy with an index."""

import numpy as np
import pytest
from make_arks import write_ark

from ambiser.errors import ConfigError, DataError
from ambiser.features.extraction.export_arrays import export_arrays
from ambiser.io.tables import read_tsv, write_table


def make_dump(folder, matrices):
    folder.mkdir()
    write_table(folder / "feats.scp", write_ark(folder / "feats.ark", matrices))
    return folder


def test_rows_of_each_utterance_are_where_the_index_says(tmp_path):
    rng = np.random.default_rng(0)
    matrices = {f"u{n}": rng.standard_normal((n + 1, 3)).astype(np.float32) for n in range(4)}
    dump = make_dump(tmp_path / "dump", matrices.items())
    assert export_arrays(dump, tmp_path / "out") == (10, 3)
    array = np.load(tmp_path / "out" / "feats.npy", mmap_mode="r")
    for row in read_tsv(tmp_path / "out" / "index.tsv"):
        start = int(row["start"])
        np.testing.assert_array_equal(array[start : start + int(row["rows"])], matrices[row["utt"]])
    with pytest.raises(ConfigError, match="out: exists"):
        export_arrays(dump, tmp_path / "out")


def test_other_widths_are_refused_and_leave_nothing(tmp_path):
    dump = make_dump(tmp_path / "dump", [("a", np.zeros((1, 3), np.float32)), ("b", np.zeros((1, 4), np.float32))])
    with pytest.raises(DataError, match=r"matrices have different widths \(3, 4\)"):
        export_arrays(dump, tmp_path / "out")
    with pytest.raises(DataError, match="has no feats.scp; name dump/SSL or dump/TEXT"):
        export_arrays(tmp_path, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dump"]
