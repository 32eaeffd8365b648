"""embeddings.safetensors is read as it was written, without torch."""

import subprocess
import sys

import numpy as np
import pytest

from ambiser.errors import DataError
from ambiser.train.embeddings_file import Embeddings, read_embeddings


def test_a_file_is_read_as_it_was_written(tmp_path):
    rng = np.random.default_rng(0)
    wrote = Embeddings(("a", "b"), ("sad",), rng.random((2, 3), np.float32), rng.random((1, 3), np.float32))
    wrote.write(tmp_path / "x")
    read = read_embeddings(tmp_path / "x")
    assert (read.utts, read.classes) == (wrote.utts, wrote.classes)
    assert np.array_equal(read.embeddings, wrote.embeddings) and np.array_equal(read.prototypes, wrote.prototypes)


@pytest.mark.parametrize("content", [b"", b"not a file of tensors"])
def test_a_damaged_file_is_one_line(content, tmp_path):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(DataError, match="cannot be read .* run stage 7 again"):
        read_embeddings(tmp_path / "x")


def test_reading_needs_no_torch(environment):
    code = "import sys, ambiser.train.embeddings_file; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
