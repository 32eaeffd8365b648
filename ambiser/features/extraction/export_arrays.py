"""Writes stored features as one .npy with an index, for programs that read numpy only."""

import shutil
from pathlib import Path

import numpy as np

from ambiser.errors import ConfigError, DataError
from ambiser.io.ark import as_array, map_matrices, read_scp
from ambiser.io.console import progress
from ambiser.io.files import atomic_open
from ambiser.io.tables import write_tsv

ARRAY, INDEX = "feats.npy", "index.tsv"


def export_arrays(dump_dir: Path, out: Path) -> tuple[int, ...]:
    """Writes the matrices of feats.scp, one after the other, and the rows of each; the folder `out` must not exist.

    Args:
        dump_dir: such as dump/SSL, with feats.scp.
        out: gets feats.npy (R, D) float32 and index.tsv (utt, start, rows): an utterance is array[start : start +
            rows], which for pooled features is one row per layer.

    Returns:
        (R, D).

    Raises:
        ConfigError: `out` exists.
        DataError: there are no features, widths differ, or `out` cannot be written.
    """
    if out.exists():
        raise ConfigError(f"{out}: exists; name a new folder, or remove it")
    if not (dump_dir / "feats.scp").is_file():
        raise DataError(f"{dump_dir}: has no feats.scp; name dump/SSL or dump/TEXT, which stage 2 writes")
    entries = read_scp(dump_dir / "feats.scp")
    matrices = map_matrices(entries, list(entries))
    if not matrices:
        raise DataError(f"{dump_dir}: holds no features")
    shapes = [matrix.shape for matrix in matrices]
    widths = {shape[1] for shape in shapes if len(shape) == 2}
    if len(widths) != 1 or any(len(shape) != 2 for shape in shapes):
        raise DataError(f"{dump_dir}: matrices have different widths ({', '.join(map(str, sorted(widths)))})")
    starts = np.cumsum([0, *(shape[0] for shape in shapes)])
    shape, temporary = (int(starts[-1]), widths.pop()), out.with_name(f".{out.name}.tmp")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        with atomic_open(temporary / ARRAY, "wb") as stream:
            header = {"descr": "<f4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(stream, header)
            for matrix in progress(matrices, "export"):  # one at a time: features can be larger than the memory
                stream.write(np.ascontiguousarray(as_array(matrix), "<f4").data)
        rows = ((utt, start, size[0]) for utt, start, size in zip(entries, starts, shapes, strict=False))
        write_tsv(temporary / INDEX, ["utt", "start", "rows"], rows)
        temporary.replace(out)
    except OSError as error:
        raise DataError(f"{out}: cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return shape
