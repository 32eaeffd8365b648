import os
import pickle
import struct

import kaldiio
import numpy as np
import pytest
from make_arks import write_ark

from ambiser.errors import DataError
from ambiser.io.ark import map_matrices, open_ark, read_alike, read_matrices, read_matrix, read_scp
from ambiser.io.tables import write_table


@pytest.fixture
def matrices():
    generator = np.random.default_rng(0)
    return {
        "utt_a": generator.standard_normal((7, 5)).astype(np.float32),
        "ütt": generator.standard_normal((1, 3)),
        "x": generator.standard_normal((20, 2)).astype(np.float32),
    }


def test_kaldiio_reads_our_arks(tmp_path, matrices):
    entries = write_ark(tmp_path / "feats.ark", iter(matrices.items()))
    for key, expected in matrices.items():
        read = kaldiio.load_mat(str(tmp_path / entries[key]))
        assert read.dtype == expected.dtype
        np.testing.assert_array_equal(read, expected)
    assert [key for key, _ in kaldiio.load_ark(str(tmp_path / "feats.ark"))] == list(matrices)


def test_we_read_arks_of_kaldiio(tmp_path, matrices):
    kaldiio.save_ark(str(tmp_path / "k.ark"), matrices | {"v": np.arange(4.0)}, scp=str(tmp_path / "k.scp"))
    entries = dict(line.split() for line in (tmp_path / "k.scp").read_text().splitlines())
    for key, expected in matrices.items():
        read = read_matrix(entries[key], key)
        assert read.dtype == expected.dtype and not read.flags.writeable
        np.testing.assert_array_equal(read, expected)
    np.testing.assert_array_equal(read_matrix(entries["v"]), np.arange(4.0))
    for read, key in zip(read_matrices(entries, ["x", "utt_a", "x"]), ["x", "utt_a", "x"], strict=True):
        np.testing.assert_array_equal(read, matrices[key])
    assert read_matrix(entries["x"], "x").shape == (20, 2)


def test_matrices_of_one_shape_are_read_into_one_array(tmp_path):
    values = np.random.default_rng(0).standard_normal((9, 3, 4)).astype(np.float32)
    entries = {}
    for part in range(2):
        names = {f"u{number}": values[number] for number in range(part, 9, 2)}
        written = write_ark(tmp_path / f"{part}.ark", iter(names.items()))
        entries |= {key: str(tmp_path / entry) for key, entry in written.items()}
    rows = [8, 0, 3, 0]
    read = read_alike(entries, [f"u{row}" for row in rows], (3, 4))
    assert read.dtype == np.float32 and read.flags.writeable
    np.testing.assert_array_equal(read, values[rows])
    assert read_alike(entries, ["u8", "u3"], (4, 3)) is None
    ark = tmp_path / "0.ark"
    ark.write_bytes(ark.read_bytes()[:-1])
    assert read_alike(entries, ["u0", "u8"], (3, 4)) is None  # the last one is cut
    np.testing.assert_array_equal(read_alike(entries, ["u0", "u6"], (3, 4)), values[[0, 6]])


@pytest.mark.parametrize("matrix", [np.ones((2, 3)), np.ones((3, 2), np.float32)], ids=["double", "shape"])
def test_matrices_of_another_type_or_shape_are_not_stacked(tmp_path, matrix):
    written = write_ark(tmp_path / "x.ark", iter({"a": np.ones((2, 3), np.float32), "b": matrix}.items()))
    entries = {key: str(tmp_path / entry) for key, entry in written.items()}
    assert read_alike(entries, ["a", "b"], (2, 3)) is None
    assert read_alike(entries, ["a"], (2, 3)) is not None


@pytest.mark.parametrize("method", range(1, 8))
def test_compressed_matrices_are_read(tmp_path, matrices, method):
    values = {key: np.clip(np.abs(matrix), 0, 1) * (255 if method == 6 else 1) for key, matrix in matrices.items()}
    path = str(tmp_path / "c.ark")
    kaldiio.save_ark(path, values, scp=str(tmp_path / "c.scp"), compression_method=method)
    entries = dict(line.split() for line in (tmp_path / "c.scp").read_text().splitlines())
    with open(path, "rb") as stream:
        stream.seek(int(entries["x"].rpartition(":")[2]))
        assert stream.read(5)[2:4] == b"CM"
    read = read_matrix(entries["x"], "x")
    np.testing.assert_array_equal(read, kaldiio.load_mat(entries["x"]))
    np.testing.assert_allclose(read, values["x"], atol=0.51 if method in (4, 6) else 0.03)
    np.testing.assert_array_equal(read_matrices(entries, ["x"])[0], read)


@pytest.mark.parametrize("method", [2, 3])
def test_a_truncated_compressed_matrix_is_an_error(tmp_path, method):
    path = tmp_path / "c.ark"
    kaldiio.save_ark(str(path), {"x": np.random.default_rng(0).standard_normal((30, 10))}, compression_method=method)
    whole = path.read_bytes()
    for length in range(3, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match="c.ark:2"):
            read_matrix(f"{path}:2", "x")


def write_half(path, matrices):
    with open_ark(path, half=True) as ark:
        for key, matrix in matrices.items():
            ark.add(key, matrix)
    return ark


def test_kaldiio_reads_our_two_byte_matrices(tmp_path, matrices):
    matrices |= {"constant": np.full((2, 3), -7.25), "large": 1e6 * matrices["utt_a"], "one": np.array([[3.5]])}
    ark = write_half(tmp_path / "half.ark", matrices)
    sizes = [matrix.size * 2 + len(key.encode()) + 1 + 22 for key, matrix in matrices.items()]
    assert (tmp_path / "half.ark").stat().st_size == sum(sizes)
    assert [key for key, _ in kaldiio.load_ark(str(tmp_path / "half.ark"))] == list(matrices)
    off = {}
    for key, expected in matrices.items():
        read = kaldiio.load_mat(str(tmp_path / ark.entries[key]))
        np.testing.assert_array_equal(read_matrix(str(tmp_path / ark.entries[key]), key), read)
        off[key] = np.abs(read - expected)
        step = max(np.ptp(expected), 1e-30) / 65535
        assert off[key].max() <= 0.51 * step + 1e-6 * np.abs(expected).max()
    assert ark.errors[0] == pytest.approx(max(values.max() for values in off.values()), rel=1e-6)
    shares = [np.linalg.norm(off[key]) / np.linalg.norm(matrices[key]) for key in matrices]
    assert ark.errors[1] == pytest.approx(max(shares), rel=1e-4) and write_half(tmp_path / "e.ark", {}).errors == (0, 0)


def test_two_byte_matrices_are_as_exact_as_those_of_kaldiio(tmp_path, matrices):
    kaldiio.save_ark(str(tmp_path / "k.ark"), matrices, scp=str(tmp_path / "k.scp"), compression_method=3)
    theirs = dict(line.split() for line in (tmp_path / "k.scp").read_text().splitlines())
    ours = write_half(tmp_path / "half.ark", matrices).entries
    for key, matrix in matrices.items():
        error = np.abs(read_matrix(str(tmp_path / ours[key]), key) - matrix).max()
        assert error <= 1.01 * np.abs(kaldiio.load_mat(theirs[key]) - matrix).max() + 1e-7


def test_two_byte_matrices_are_decoded_on_use(tmp_path, matrices):
    entries = {key: str(tmp_path / entry) for key, entry in write_half(tmp_path / "h.ark", matrices).entries.items()}
    mapped = map_matrices(entries, ["x", "utt_a"])
    assert [matrix.shape for matrix in mapped] == [(20, 2), (7, 5)]
    assert not any(matrix.codes.flags.owndata for matrix in mapped)
    np.testing.assert_array_equal(mapped[0].decode(), read_matrix(entries["x"], "x"))


def test_an_ark_truncated_at_any_length_is_an_error(tmp_path, matrices):
    entries = write_ark(tmp_path / "feats.ark", iter([("x", matrices["x"])]))
    whole = (tmp_path / "feats.ark").read_bytes()
    for length in range(len(whole)):
        (tmp_path / "feats.ark").write_bytes(whole[:length])
        for read in (read_matrix, lambda entry, key: read_matrices({key: entry}, [key])):
            with pytest.raises(DataError, match="feats.ark"):
                read(str(tmp_path / entries["x"]), "x")


def test_commands_are_not_run(tmp_path):
    trace = tmp_path / "trace"
    for entry in (f"touch {trace} |", f"| touch {trace}", f"|touch {trace}:12", f"cat x | touch {trace}|"):
        write_table(tmp_path / "feats.scp", {"u": entry})
        with pytest.raises(DataError, match="must have the form path:offset"):
            read_scp(tmp_path / "feats.scp")
        with pytest.raises(DataError, match="must have the form path:offset"):
            read_matrix(entry)
        with pytest.raises(DataError, match="must have the form path:offset"):
            read_matrices({"u": entry}, ["u"])
    assert not trace.exists()


@pytest.mark.parametrize("entry", ["feats.ark", "feats.ark:", "feats.ark:x", "feats.ark:5[0:3]", "a.ark:-1", "a.ark:²"])
def test_entries_without_an_offset_are_refused(entry):
    with pytest.raises(DataError, match="path:offset"):
        read_matrix(entry)


class Evil:
    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (self.trace,)


@pytest.mark.parametrize("prefix", [b"", b"PKL", b"\0B", b"\0BPKL", b"NPY", b"AUDIO"])
def test_pickles_and_other_content_are_not_read(tmp_path, prefix):
    path = tmp_path / "evil.ark"
    path.write_bytes(b"u " + prefix + pickle.dumps(Evil(str(tmp_path / "trace"))) + b"\0" * 50)
    for read in (read_matrix, lambda entry, key: read_matrices({key: entry}, [key])):
        with pytest.raises(DataError, match="evil.ark:2"):
            read(f"{path}:2", "u")
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("shape", [(-1, 4), (2**31 - 1, 2**31 - 1), (4, -(2**31))])
def test_invalid_sizes_are_an_error(tmp_path, shape):
    path = tmp_path / "x.ark"
    path.write_bytes(b"u \0BFM " + struct.pack("<bibi", 4, shape[0], 4, shape[1]) + b"\0" * 64)
    with pytest.raises(DataError, match="x.ark:2"):
        read_matrix(f"{path}:2", "u")


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.zeros(3), "must be a matrix"),
        (np.zeros((0, 3)), "must be a matrix"),
        (np.array([[1.0, np.nan]]), "not finite"),
        (np.array([[np.inf]]), "not finite"),
    ],
)
def test_an_invalid_matrix_is_not_written(tmp_path, matrix, message):
    with pytest.raises(DataError, match=message):
        write_ark(tmp_path / "x.ark", iter([("good", np.ones((1, 1))), ("bad", matrix)]))
    assert list(tmp_path.iterdir()) == []


def test_relative_entries_start_at_the_folder_of_the_scp(tmp_path, matrices, monkeypatch):
    folder = tmp_path / "dump"
    write_table(folder / "feats.scp", write_ark(folder / "feats.ark", iter(matrices.items())))
    monkeypatch.chdir(tmp_path)
    entries = read_scp(folder.relative_to(tmp_path) / "feats.scp")
    np.testing.assert_array_equal(read_matrix(entries["x"]), matrices["x"])


def test_a_missing_ark_is_named(tmp_path):
    for read in (read_matrix, lambda entry, key: read_matrices({key: entry}, [key])):
        with pytest.raises(DataError, match=r"none.ark.*run stage 2 again"):
            read(f"{tmp_path}/none.ark:2", "u")
